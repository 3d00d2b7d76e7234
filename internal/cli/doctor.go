package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newDoctorCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the server and what it depends on, and say what to do",
		Long: `Check the server and what it depends on: clocks, folders, disks, the shim, clusters, backups,
damaged jobs, the database and orphans. The exit code is 1 when a check fails; warnings do not count.`,
		Example: `  stint admin doctor`,
		Args:    arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.admin()
		if err != nil {
			return err
		}
		var resp *adminv1.DiagnoseResponse
		if err := a.call(ctx, func(ctx context.Context) error {
			resp, err = client.Diagnose(ctx, &adminv1.DiagnoseRequest{})
			return err
		}); err != nil {
			return err
		}
		checks := resp.GetChecks()
		if err := a.show(*f, answer{
			messages: messagesOf(checks), list: true, names: namesOf(checks, checkName),
			table: func() error { a.checkTable(checks); return nil },
		}); err != nil {
			return err
		}
		return failing(checks)
	})
	return cmd
}

// failing is an error when a check fails.
func failing(checks []*adminv1.Check) error {
	n := int64(0)
	for _, c := range checks {
		if c.GetStatus() == adminv1.CheckStatus_CHECK_STATUS_FAILING {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &exitError{code: exitFailed, text: fmt.Sprintf("%s failing", plural(n, "check"))}
}

func checkName(c *adminv1.Check) string {
	if c.GetSubject() == "" {
		return c.GetName()
	}
	return c.GetName() + "/" + c.GetSubject()
}

func (a *app) checkTable(checks []*adminv1.Check) {
	g := &grid{columns: []column{{title: "CHECK"}, {title: "STATUS"}, {title: "FOUND", least: 20, wrap: true}}}
	for _, c := range checks {
		text := c.GetMessage()
		if c.GetAction() != "" {
			text += " " + c.GetAction()
		}
		g.add(checkName(c), strings.ToLower(strings.TrimPrefix(c.GetStatus().String(), "CHECK_STATUS_")), text)
	}
	g.print(a.out, a.screen)
}
