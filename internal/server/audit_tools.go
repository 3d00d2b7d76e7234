package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
)

func auditCommand(std Streams) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify, export and prune the audit: who did what", Args: cobra.NoArgs}
	cmd.AddCommand(auditVerify(std), auditExport(std), auditPrune(std))
	return cmd
}

// auditTool makes a command on the database of a server that does not run, or on a file that is named.
func auditTool(use, short, long string, run func(cmd *cobra.Command, path string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use + " [FILE]", Short: short, Long: long, Args: cobra.MaximumNArgs(1)}
	var state, data string
	addFolderFlags(cmd, &state, &data)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := foldersOf(state, data).database()
		if len(args) > 0 {
			path = args[0]
		}
		if _, err := os.Stat(path); err != nil && path != "-" {
			return fmt.Errorf("there is no %s; name the file, or give the server's folder with --state or --data", path)
		}
		err := run(cmd, path)
		if errors.Is(err, job.ErrUnavailable) {
			return locked(errors.New("the server runs and has the database open; take a copy with stintd backup --to FILE, and name that"))
		}
		return err
	}
	return cmd
}

func auditVerify(std Streams) *cobra.Command {
	var expect string
	cmd := auditTool("verify", "Verify that no entry of the audit was changed, taken out or put in",
		`Follow the chain of hashes in the database of a server that does not run, in a backup, or in an export (- reads one from
standard input), and name what is wrong by the number of the entry. Exit code 0 means that nothing is.

The last line is the head, SEQUENCE:HASH, which stands for all entries up to it. Keep it where those who can write the
database cannot: without it nobody can tell a chain that was cut at its end, or made anew, from a whole one. --expect
takes a head that was kept and says whether the chain still goes through it.`,
		func(cmd *cobra.Command, path string) error {
			want, err := expected(expect)
			if err != nil {
				return fmt.Errorf("--expect: %w: %w", err, errUsage)
			}
			report, err := verifyAny(path, cmd.InOrStdin(), want)
			if err != nil {
				return err
			}
			for _, p := range report.Problems {
				fmt.Fprintln(std.Out, p)
			}
			if report.Begin.Sequence > 0 {
				fmt.Fprintf(std.Out, "begins behind: %s\n", report.Begin)
			}
			if n := len(report.Problems); n > 0 {
				return fmt.Errorf("%d problems found in the audit", n)
			}
			fmt.Fprintf(std.Out, "ok: %d entries\nhead: %s\n", report.Entries, report.End)
			return nil
		})
	cmd.Flags().StringVar(&expect, "expect", "", "entry that was noted before and must be in the chain, as SEQUENCE:HASH")
	return cmd
}

func expected(text string) (*audit.Head, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nothing is expected
	}
	head, err := audit.ParseHead(text)
	return &head, err
}

func auditExport(std Streams) *cobra.Command {
	var since uint64
	cmd := auditTool("export", "Print the audit as lines of JSON, oldest first",
		`Print the entries of the database of a server that does not run, or of a backup, one a line with the hash of the entry
before and its own: "stintd audit verify FILE" verifies what was printed.`,
		func(_ *cobra.Command, path string) error { return exportAudit(path, since, std.Out) })
	cmd.Flags().Uint64Var(&since, "since", 0, "only entries behind the one with this number")
	return cmd
}

func auditPrune(std Streams) *cobra.Command {
	var before string
	cmd := tool("prune", "Take old entries out of the audit of a server that does not run",
		`Take out the entries from before a time, after the chain was verified. The last of them stays as the entry that the
chain begins behind, so that it can still be verified, and what was done is an entry itself. Export them first.`,
		func(cmd *cobra.Command, f folders) error {
			at, err := parseBefore(before)
			if err != nil {
				return fmt.Errorf("--before: %w: %w", err, errUsage)
			}
			return f.lockedTool(cmd.Context(), func() error {
				begin, taken, err := file.PruneAudit(f.database(), at, offline("prune"))
				if err != nil {
					return explainLocked(err)
				}
				fmt.Fprintf(std.Out, "%d entries taken out\nbegins behind: %s\n", taken, begin)
				return nil
			})
		})
	cmd.Flags().StringVar(&before, "before", "", "day or time, for example 2026-01-31 or 2026-01-31T12:00:00Z; a day begins at midnight UTC")
	return cmd
}

func parseBefore(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no day and no time such as 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

// isExport reports whether a file is an export rather than a database.
func isExport(path string) (bool, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false, err
	}
	defer f.Close()
	var first [1]byte
	n, _ := f.Read(first[:]) // an empty file is an export of nothing
	return n == 0 || first[0] == '{', nil
}
