package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// Streams are where a command writes.
type Streams struct {
	// Out gets what was asked for, Err everything else.
	Out, Err io.Writer
}

// shimCommand is how the local executor calls this program again, to watch over one attempt.
const shimCommand = "shim"

// errUsage marks a command line that is wrong in itself.
var errUsage = errors.New("usage")

// Main is the whole of stintd: it runs the command of args and returns its exit
// code, one of exits.
func Main(args []string, std Streams, version string) int {
	if len(args) > 1 && args[1] == shimCommand {
		return shim.Main(args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newCommand(std, version)
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if err != nil {
		fmt.Fprintf(std.Err, "stintd: %s\n", strings.TrimSuffix(err.Error(), ": "+errUsage.Error()))
	}
	if code == exitUsage {
		fmt.Fprintln(std.Err, `Run "stintd --help" for the settings.`)
	}
	return code
}

func newCommand(std Streams, version string) *cobra.Command {
	cfg := Config{Version: version}
	root := &cobra.Command{
		Use:   "stintd",
		Short: "Run jobs and serve them over gRPC and REST",
		Long: `stintd runs the long computations behind a science gateway.

Without a command it serves until it gets SIGTERM or SIGINT; jobs that run then go
on and are found again at the next start. SIGHUP reads the services and
the section client-certificates again.

Every setting below is a flag, an environment variable (--max-active is
STINTD_MAX_ACTIVE) and a key of the file given with --config (max-active: 100).
A flag wins over the environment, and that over the file.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fill(cmd.Flags(), os.LookupEnv, cfg.File, cfg.sections()); err != nil {
				return fmt.Errorf("%w: %w", err, errUsage)
			}
			if err := cfg.check(); err != nil {
				return fmt.Errorf("%w: %w", err, errUsage)
			}
			return Run(cmd.Context(), cfg, std)
		},
	}
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", err, errUsage) })
	define(root.Flags(), &cfg)
	root.Flags().StringVar(&cfg.File, "config", "", "YAML file with settings")
	root.AddCommand(checkCommand(std), checkFileCommand(std), backupCommand(std), restoreCommand(std), adoptCommand(std), compactCommand(std), tokenCommand(std), auditCommand(std))
	return root
}
