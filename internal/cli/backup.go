package cli

import (
	"context"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newBackupCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Save a consistent copy of the database while the server runs", Args: arguments(1, 1),
		Example: `  stint admin backup jobs-$(date +%F).db`,
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if args[0] == "-" {
			return usagef("name a file")
		}
		return a.saveBackup(ctx, args[0])
	})
	return cmd
}

// saveBackup writes the copy to a file that only its owner can read: it holds
// everybody's jobs.
func (a *app) saveBackup(ctx context.Context, file string) error {
	into, err := openFolder(filepath.Dir(file), false)
	if err != nil {
		return err
	}
	defer into.close()
	into.mode = 0o600
	name := filepath.Base(file)
	return into.receive(name, func(w io.Writer) error { return a.backup(ctx, name, w) })
}

func (a *app) backup(ctx context.Context, name string, w io.Writer) error {
	client, err := a.admin()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Backup(ctx, &adminv1.BackupRequest{})
	if err != nil {
		return err
	}
	var offset int64
	return a.pump(name, w, func() (part, error) {
		frame, err := stream.Recv()
		p := part{offset: offset, size: frame.GetSizeBytes(), data: frame.GetData()}
		offset += int64(len(p.data))
		return p, err
	})
}
