package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

func newWhoamiCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who you are to the server, and what your credential may be used for",
		Args:  arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		conn, err := a.connect()
		if err != nil {
			return err
		}
		client := authv1.NewAuthServiceClient(conn)
		var me *authv1.WhoAmIResponse
		err = a.call(ctx, func(ctx context.Context) error {
			me, err = client.WhoAmI(ctx, &authv1.WhoAmIRequest{})
			return err
		})
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: []proto.Message{me},
			names:    []string{me.GetUser()},
			table:    func() error { a.printMe(me); return nil },
		})
	})
	return cmd
}

// printMe shows the facts of whoami. Those that are empty are left out.
func (a *app) printMe(me *authv1.WhoAmIResponse) {
	until := ""
	if me.GetExpireTime() != nil {
		until = a.screen.time(me.GetExpireTime())
	}
	a.printFacts([]fact{
		{"User", me.GetUser()},
		{"Roles", strings.Join(me.GetRoles(), ", ")},
		{"Scopes", cmp.Or(strings.Join(me.GetScopes(), ", "), "all")},
		{"Signed in by", me.GetHow()},
		{"Until", until},
		{"Service account", me.GetActor()},
		{"Server", a.link.address()},
	})
}
