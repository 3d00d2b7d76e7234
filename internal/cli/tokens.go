package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

func newTokensCommand(a *app) *cobra.Command {
	return group("tokens", "List, create and revoke API tokens",
		newTokensListCommand(a), newTokensCreateCommand(a), newTokensRevokeCommand(a))
}

func newTokensListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List API tokens, without their secrets", Args: arguments(0, 0)}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.admin()
		if err != nil {
			return err
		}
		var res *stintv1.ListTokensResponse
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.ListTokens(ctx, &stintv1.ListTokensRequest{})
			return err
		})
		if err != nil {
			return err
		}
		g := &grid{columns: []column{
			{title: "ID"}, {title: "USER"}, {title: "ROLES"}, {title: "CREATED", drop: 2}, {title: "EXPIRES", drop: 1}, {title: "DESCRIPTION", least: 10},
		}}
		for _, t := range res.GetTokens() {
			g.add(t.GetId(), t.GetUser(), strings.Join(t.GetRoles(), ","), a.screen.time(t.GetCreateTime()), a.screen.time(t.GetExpireTime()), t.GetDescription())
		}
		return a.show(*f, answer{
			messages: messagesOf(res.GetTokens()), list: true, names: namesOf(res.GetTokens(), (*stintv1.Token).GetId),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

func newTokensCreateCommand(a *app) *cobra.Command {
	var (
		req     stintv1.CreateTokenRequest
		expires string
	)
	cmd := &cobra.Command{
		Use: "create --user USER", Short: "Make an API token and print its secret, this once", Args: arguments(0, 0),
		Example: `  stint admin tokens create --user alice --expires 90d > alice.token`,
	}
	cmd.Flags().StringVar(&req.User, "user", "", "user that the token stands for")
	cmd.Flags().StringSliceVar(&req.Roles, "role", nil, "role beyond user: operator")
	cmd.Flags().StringVar(&req.Description, "description", "", "what it is for")
	cmd.Flags().StringVar(&expires, "expires", "", "stop working after this long, such as 90d; never by default")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		if req.User == "" {
			return usagef("whom is the token for? --user USER")
		}
		if expires != "" {
			d, err := parseDuration(expires)
			if err != nil {
				return usagef("--expires: %v", err)
			}
			req.ExpireTime = timestamppb.New(time.Now().Add(d))
		}
		client, err := a.admin()
		if err != nil {
			return err
		}
		var res *stintv1.CreateTokenResponse
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
		client, err := a.admin()
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := a.once(ctx, func(ctx context.Context) error {
				_, err := client.RevokeToken(ctx, &stintv1.RevokeTokenRequest{Id: id})
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
