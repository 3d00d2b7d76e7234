package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec" //nolint:depguard // a check of a damaged file may end its process, so that it needs one of its own
	"strings"

	"github.com/spf13/cobra"

	"github.com/stint-jobs/stint/internal/store/file"
)

const (
	// thisProgram is the file that runs, also when another one has its name since.
	thisProgram = "/proc/self/exe"
	checkFile   = "check-file"
	// checkEnded is the last line of a check that came to its end.
	checkEnded = "checked"
)

// checkFileCommand is how this program calls itself to check one file.
func checkFileCommand(std Streams) *cobra.Command {
	return &cobra.Command{
		Use: checkFile + " FILE", Short: "Check a database file", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			problems, err := file.Check(args[0])
			if err != nil {
				return explainLocked(err)
			}
			for _, p := range problems {
				fmt.Fprintln(std.Out, strings.ReplaceAll(p.String(), "\n", " "))
			}
			fmt.Fprintln(std.Out, checkEnded)
			return nil
		},
	}
}

// checkInChild checks a database file in a process of its own and returns what is wrong with it. Damage that ends that
// process is a problem as well. An error is one of the check and not of the file.
func checkInChild(ctx context.Context, program, path string) ([]string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, checkFile, path) //nolint:gosec // this program
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var problems []string
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if lines.Text() == checkEnded && err == nil {
			return problems, nil
		}
		problems = append(problems, lines.Text())
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	first, _, _ := strings.Cut(errs.String(), "\n")
	first = strings.TrimPrefix(first, "stintd: ")
	code := exitOK // without having come to its end
	if ok {
		code = exit.ExitCode()
	}
	switch code {
	case exitLocked:
		return nil, locked(errors.New(first))
	case exitFailed:
		return nil, errors.New(first)
	case exitStorage:
		return append(problems, "file: "+first), nil
	default: // 2 is that of a panic, and below 0 it was killed
		return append(problems, "file: it is so damaged that its check ended early: "+first), nil
	}
}

func checkCommand(std Streams) *cobra.Command {
	return tool("check", "Check the database of a server that does not run",
		`Re-derive the index and all counters from the records, compare, check the file's own structure, and compare how far the
database is with what the server noted. Exit code 0 means that nothing is wrong.`,
		func(cmd *cobra.Command, f folders) error {
			problems, err := checkInChild(cmd.Context(), thisProgram, f.database())
			if err != nil {
				return err
			}
			if len(problems) == 0 {
				if problems, err = checkAge(f); err != nil {
					return explainLocked(err)
				}
			}
			for _, p := range problems {
				fmt.Fprintln(std.Out, p)
			}
			if len(problems) > 0 {
				return fmt.Errorf("%d problems found", len(problems))
			}
			fmt.Fprintln(std.Out, "ok")
			return nil
		})
}

// checkAge compares how far a database is with what the server noted.
func checkAge(f folders) ([]string, error) {
	info, err := file.ReadInfo(f.database())
	if err != nil {
		return nil, err
	}
	text, err := older(f, info.Position)
	if err != nil || text == "" {
		return nil, err
	}
	return []string{text}, nil
}
