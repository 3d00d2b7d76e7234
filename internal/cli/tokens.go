package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// newTokenCommand holds the verbs for tokens: `stint token` for everybody, and
// for operators, who used to be the only ones, also `stint admin tokens`.
func newTokenCommand(a *app, use string) *cobra.Command {
	return group(use, "Make, list and revoke API tokens",
		newTokensCreateCommand(a), newTokensListCommand(a), newTokensRevokeCommand(a))
}

func newTokensListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List your API tokens, without their secrets", Args: arguments(0, 0),
		Long: "List your API tokens, without their secrets. Operators see everybody's unless they name a user.",
	}
	f := addFormat(cmd)
	var user string
	cmd.Flags().StringVar(&user, "user", "", "whose tokens; for operators")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.tokens()
		if err != nil {
			return err
		}
		var tokens []*authv1.Token
		for req := (&authv1.ListTokensRequest{User: user}); ; {
			var res *authv1.ListTokensResponse
			err = a.call(ctx, func(ctx context.Context) error {
				res, err = client.ListTokens(ctx, req)
				return err
			})
			if err != nil {
				return err
			}
			tokens = append(tokens, res.GetTokens()...)
			if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		g := &grid{columns: []column{
			{title: "ID"},
			{title: "USER"},
			{title: "ROLES"},
			{title: "SCOPES"},
			{title: "CREATED", drop: 3},
			{title: "EXPIRES", drop: 2},
			{title: "LAST USED", drop: 1},
			{title: "DESCRIPTION", least: 10},
		}}
		for _, t := range tokens {
			g.add(t.GetId(), t.GetUser(), strings.Join(t.GetRoles(), ","), cmp.Or(strings.Join(t.GetScopes(), ","), "all"),
				a.screen.time(t.GetCreateTime()), a.screen.time(t.GetExpireTime()), a.screen.time(t.GetLastUseTime()), t.GetDescription())
		}
		return a.show(*f, answer{
			messages: messagesOf(tokens), list: true, names: namesOf(tokens, (*authv1.Token).GetId),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

func newTokensCreateCommand(a *app) *cobra.Command {
	var (
		req     authv1.CreateTokenRequest
		expires string
	)
	cmd := &cobra.Command{
		Use: "create", Short: "Make an API token and print its secret, this once", Args: arguments(0, 0),
		Long: `Make an API token and print its secret, this once.

The token stands for you, and carries no more than what you call with: where that
is a token with scopes or an end, the new one has no others and ends no later.
Scopes: jobs:read, jobs:write, files:read, files:write, tokens, admin.
Roles, which only operators give: operator, auditor, service (acts for users, see --act-for).`,
		Example: `  stint token create --scope jobs:read --expires 90d --description laptop > laptop.token
  stint token create --user gateway --role service > gateway.token`,
	}
	cmd.Flags().StringVar(&req.User, "user", "", "user that the token stands for; operators may name others than themselves")
	cmd.Flags().StringSliceVar(&req.Roles, "role", nil, "role beyond user: operator, auditor, service")
	cmd.Flags().StringSliceVar(&req.Scopes, "scope", nil, "narrow it to these; may be repeated")
	cmd.Flags().StringVar(&req.Description, "description", "", "what it is for")
	cmd.Flags().StringVar(&expires, "expires", "", "stop working after this long, such as 90d; never by default")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		if expires != "" {
			d, err := parseDuration(expires)
			if err != nil {
				return usagef("--expires: %v", err)
			}
			req.ExpireTime = timestamppb.New(time.Now().Add(d))
		}
		client, err := a.tokens()
		if err != nil {
			return err
		}
		var res *authv1.CreateTokenResponse
		err = a.once(ctx, func(ctx context.Context) error {
			res, err = client.CreateToken(ctx, &req)
			return err
		})
		if err != nil {
			return err
		}
		say(a.err, "Token %s for %s. Its secret is shown this once:", res.GetToken().GetId(), res.GetToken().GetUser())
		say(a.out, "%s", res.GetSecret())
		return nil
	})
	return cmd
}

func newTokensRevokeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID...", Short: "Make API tokens stop working", Args: arguments(1, -1)}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.tokens()
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := a.once(ctx, func(ctx context.Context) error {
				_, err := client.RevokeToken(ctx, &authv1.RevokeTokenRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "%s revoked", id)
		}
		return nil
	})
	return cmd
}
