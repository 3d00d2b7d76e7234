package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// newSessionsCommand holds the verbs for the browsers in which a user is signed in.
func newSessionsCommand(a *app) *cobra.Command {
	return group("sessions", "List where you are signed in by a browser, and sign out there",
		newSessionsListCommand(a), newSessionsEndCommand(a), newSignOutCommand(a))
}

func newSessionsListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List where you are signed in by a browser", Args: arguments(0, 0)}
	f := addFormat(cmd)
	var user string
	cmd.Flags().StringVar(&user, "user", "", "whose sessions; for operators")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.sessions()
		if err != nil {
			return err
		}
		var res *authv1.ListSessionsResponse
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.ListSessions(ctx, &authv1.ListSessionsRequest{User: user})
			return err
		})
		if err != nil {
			return err
		}
		g := &grid{columns: []column{
			{title: "ID"},
			{title: "USER"},
			{title: "SIGNED IN", drop: 2},
			{title: "LAST USED"},
			{title: "UNTIL", drop: 3},
			{title: "FROM", drop: 1},
			{title: "BROWSER", least: 10},
		}}
		for _, s := range res.GetSessions() {
			g.add(s.GetId(), s.GetUser(), a.screen.time(s.GetCreateTime()), a.screen.time(s.GetLastUseTime()), a.screen.time(s.GetExpireTime()),
				s.GetAddress(), cmp.Or(s.GetUserAgent(), "unknown"))
		}
		return a.show(*f, answer{
			messages: messagesOf(res.GetSessions()), list: true, names: namesOf(res.GetSessions(), (*authv1.Session).GetId),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

func newSessionsEndCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "end ID...", Short: "Sign out in these browsers, at once", Args: arguments(1, -1)}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.sessions()
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := a.once(ctx, func(ctx context.Context) error {
				_, err := client.RevokeSession(ctx, &authv1.RevokeSessionRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "%s ended", id)
		}
		return nil
	})
	return cmd
}

func newSignOutCommand(a *app) *cobra.Command {
	var req authv1.SignOutEverywhereRequest
	cmd := &cobra.Command{
		Use: "end-all", Short: "Sign out everywhere, at once", Args: arguments(0, 0),
		Long: `Sign out everywhere, at once: all browsers, and what "stint login" has given to programs.
API tokens stay unless --tokens says so.`,
	}
	cmd.Flags().StringVar(&req.User, "user", "", "who is signed out; for operators")
	cmd.Flags().BoolVar(&req.RevokeTokens, "tokens", false, "revoke all API tokens, too")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.sessions()
		if err != nil {
			return err
		}
		return a.once(ctx, func(ctx context.Context) error {
			res, err := client.SignOutEverywhere(ctx, &req)
			if err == nil {
				say(a.out, "%s ended, %s revoked", plural(int64(res.GetEndedSessions()), "session"), plural(int64(res.GetRevokedTokens()), "API token"))
			}
			return err
		})
	})
	return cmd
}
