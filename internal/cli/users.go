package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// newUsersCommand holds what operators do about users.
func newUsersCommand(a *app) *cobra.Command {
	return group("users", "List users, disable and enable them, erase what they have",
		newUsersListCommand(a), newUsersShowCommand(a), newUsersDisableCommand(a), newUsersEnableCommand(a), newUsersEraseCommand(a))
}

func newUsersListCommand(a *app) *cobra.Command {
	var req adminv1.ListUsersRequest
	cmd := &cobra.Command{Use: "list", Short: "List users who signed in by a browser or are disabled, by name", Args: arguments(0, 0)}
	f := addFormat(cmd)
	cmd.Flags().BoolVar(&req.Disabled, "disabled", false, "only those who are disabled")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.usersService()
		if err != nil {
			return err
		}
		var all []*adminv1.User
		for req.PageSize = 1000; ; {
			var res *adminv1.ListUsersResponse
			err = a.call(ctx, func(ctx context.Context) error {
				res, err = client.ListUsers(ctx, &req)
				return err
			})
			if err != nil {
				return err
			}
			all = append(all, res.GetUsers()...)
			if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		g := &grid{columns: []column{
			{title: "USER"},
			{title: "SINCE", drop: 2},
			{title: "SESSIONS", drop: 3},
			{title: "TOKENS", drop: 3},
			{title: "ACTIVE JOBS", drop: 1},
			{title: "DISABLED"},
			{title: "WHY", least: 10, drop: 4},
		}}
		for _, u := range all {
			g.add(u.GetUser(), a.screen.time(u.GetFirstSignInTime()), strconv.Itoa(int(u.GetSessions())), strconv.Itoa(int(u.GetTokens())),
				strconv.FormatInt(u.GetActiveJobs(), 10), a.screen.time(u.GetDisableTime()), u.GetDisableReason())
		}
		return a.show(*f, answer{
			messages: messagesOf(all), list: true, names: namesOf(all, (*adminv1.User).GetUser),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

func newUsersShowCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "show USER", Short: "Show what is known of a user", Args: arguments(1, 1)}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.usersService()
		if err != nil {
			return err
		}
		var res *adminv1.GetUserResponse
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.GetUser(ctx, &adminv1.GetUserRequest{User: args[0]})
			return err
		})
		if err != nil {
			return err
		}
		u := res.GetUser()
		return a.show(*f, answer{
			messages: []proto.Message{u}, names: []string{u.GetUser()},
			table: func() error { a.printUser(u); return nil },
		})
	})
	return cmd
}

// printUser shows the facts of a user. Those that are empty are left out.
func (a *app) printUser(u *adminv1.User) {
	a.printFacts([]fact{
		{"User", u.GetUser()},
		{"First sign-in", a.screen.time(u.GetFirstSignInTime())},
		{"Signed out", a.screen.time(u.GetSignOutTime())},
		{"Disabled", a.screen.time(u.GetDisableTime())},
		{"By", u.GetDisabledBy()},
		{"Why", u.GetDisableReason()},
		{"Sessions", strconv.Itoa(int(u.GetSessions()))},
		{"API tokens", strconv.Itoa(int(u.GetTokens()))},
		{"Active jobs", strconv.FormatInt(u.GetActiveJobs(), 10)},
		{"Jobs", strconv.FormatInt(u.GetTotalJobs(), 10)},
	})
}

func newUsersDisableCommand(a *app) *cobra.Command {
	var req adminv1.DisableUserRequest
	cmd := &cobra.Command{
		Use: "disable USER --reason WHY", Short: "Let a user in no more, and end their sessions, tokens and streams", Args: arguments(1, 1),
		Example: `  stint admin users disable ada --reason "left the institute" --cancel-jobs`,
	}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; it is in the audit")
	cmd.Flags().BoolVar(&req.CancelJobs, "cancel-jobs", false, "cancel their jobs that are queued or running, which go on otherwise")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.usersService()
		if err != nil {
			return err
		}
		req.User = args[0]
		return a.once(ctx, func(ctx context.Context) error {
			res, err := client.DisableUser(ctx, &req)
			if err == nil {
				say(a.out, "%s is disabled: %s ended, %s revoked, %s cancelled, %s going on", res.GetUser().GetUser(),
					plural(int64(res.GetEndedSessions()), "session"), plural(int64(res.GetRevokedTokens()), "API token"),
					plural(res.GetCancelledJobs(), "job"), plural(res.GetUser().GetActiveJobs(), "job"))
			}
			return err
		})
	})
	return cmd
}

func newUsersEnableCommand(a *app) *cobra.Command {
	var req adminv1.EnableUserRequest
	cmd := &cobra.Command{Use: "enable USER", Short: "Let a user in again; they sign in anew", Args: arguments(1, 1)}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; it is in the audit")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.usersService()
		if err != nil {
			return err
		}
		req.User = args[0]
		return a.once(ctx, func(ctx context.Context) error {
			res, err := client.EnableUser(ctx, &req)
			if err == nil {
				say(a.out, "%s is enabled", res.GetUser().GetUser())
			}
			return err
		})
	})
	return cmd
}

func newUsersEraseCommand(a *app) *cobra.Command {
	var (
		req adminv1.EraseUserRequest
		yes bool
	)
	cmd := &cobra.Command{
		Use: "erase USER --reason WHY", Short: "Delete what a disabled user has: jobs, results, files, shares and reports", Args: arguments(1, 1),
		Long: `Delete what a disabled user has: jobs with their results, the workspace, what was
shared with them, and their problem reports. There is no way back. You are asked to
type the name once more, or say --yes.

The name stays disabled, and the audit keeps who did what. Backups of before still
have everything.`,
	}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; it is in the audit")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		req.User = args[0]
		if err := a.confirmUser(ctx, req.GetUser(), yes); err != nil {
			return err
		}
		req.ConfirmUser = req.GetUser()
		client, err := a.usersService()
		if err != nil {
			return err
		}
		return a.once(ctx, func(ctx context.Context) error {
			res, err := client.EraseUser(ctx, &req)
			if err != nil {
				return err
			}
			say(a.out, "deleted %s, %s, %s, %s", plural(res.GetDeletedJobs(), "job"), fmt.Sprintf("%d files and folders", res.GetDeletedEntries()),
				plural(res.GetDeletedShares(), "share"), plural(res.GetDeletedIssues(), "report"))
			if n := res.GetRemainingJobs(); n > 0 {
				return fmt.Errorf("%s still ending; erase %s again when they have ended", plural(n, "job"), req.GetUser())
			}
			return nil
		})
	})
	return cmd
}

// confirmUser asks for the name once more.
func (a *app) confirmUser(ctx context.Context, user string, yes bool) error {
	if yes {
		return nil
	}
	if !a.screen.asks {
		return usagef("what %s has would be deleted for ever: say --yes", clean(user))
	}
	fmt.Fprintf(a.err, "This deletes all jobs, results and files of %s for ever. Type the name once more: ", clean(user))
	line, err := bufio.NewReader(a.stdin(ctx)).ReadString('\n')
	if ctx.Err() != nil {
		return err
	}
	if strings.TrimSpace(line) != user {
		return usagef("that is not %s; nothing was deleted", clean(user))
	}
	return nil
}
