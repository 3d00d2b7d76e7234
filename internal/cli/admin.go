package cli

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newAdminCommand(a *app) *cobra.Command {
	return group("admin", "For operators: submissions, users, issues, orphans, tokens, the audit, backup, doctor",
		newSubmissionsCommand(a), newUsersCommand(a), newIssuesCommand(a), newOrphansCommand(a), newTokenCommand(a, "tokens"), newAuditCommand(a), newBackupCommand(a), newDoctorCommand(a))
}

func newSubmissionsCommand(a *app) *cobra.Command {
	var message string
	set := func(use, short string, open bool) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: arguments(0, 0)}
		cmd.Flags().StringVarP(&message, "message", "m", "", "message for users")
		cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
			client, err := a.admin()
			if err != nil {
				return err
			}
			err = a.call(ctx, func(ctx context.Context) error {
				_, err := client.SetSubmissions(ctx, &adminv1.SetSubmissionsRequest{Open: open, Message: message})
				return err
			})
			if err == nil {
				say(a.out, "Submissions are %s.", map[bool]string{true: "open", false: "closed"}[open])
			}
			return err
		})
		return cmd
	}
	cmd := group("submissions", "Open or close the server for new jobs",
		set("open", "Let new jobs in", true), set("close", "Refuse new jobs; those that are there go on", false))
	cmd.Example = `  stint admin submissions close -m "Maintenance until 14:00"`
	return cmd
}
