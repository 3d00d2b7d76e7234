package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const tour = `stint runs long computations behind a science gateway and tells what became of them.

A first tour:
  stint services                            what can be run
  stint services SequenceStats              what one service takes
  stint submit SequenceStats -p sequences=@genome.fna --wait
                                            upload a file, run, see it happen
  stint list --state running                your jobs
  stint watch 12                            every change of job 12, until it ends
  stint logs 12 -f                          what it prints, while it does
  stint results get 12 --all                its result files
  stint rerun 12 -p min_length=500          the same again, changed

The server is found by --server or STINT_SERVER=HOST:PORT (127.0.0.1:8421 if
neither is set), your token by STINT_TOKEN or the file ` + tokenFileHelp + `.
"stint VERB --help" explains each verb; "stint --help" lists them.
`

const rootHelp = `stint submits jobs to a Stint server, follows them, and brings their results.

Tables are for terminals; in a pipe the same comes as tab-separated text with a
header, times in RFC 3339, nothing shortened. "-o json|jsonl|yaml" gives the
API's own messages, "-o name" only ids or paths, one a line. NO_COLOR is honoured.

` + exitHelp + `

Server and token:
  --server HOST:PORT or STINT_SERVER says where the server is. To this machine the
  connection is plain; to others it is TLS unless --insecure. Your token is taken from
  --token-file, STINT_TOKEN, or ` + tokenFileHelp + ` (mode 0600); without
  any, "stint login" signs you in with your browser.`

// Groups of verbs in the help.
const (
	groupJobs      = "jobs"
	groupWorkspace = "workspace"
	groupOther     = "other"
)

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "stint",
		Short:         "Run analyses behind a science gateway",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchVerb,
		RunE: a.verb(func(context.Context, []string) error {
			fmt.Fprint(a.out, tour)
			return nil
		}),
	}
	a.link.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{text: err.Error(), details: []string{"See: " + cmd.CommandPath() + " --help"}}
	})
	root.AddGroup(
		&cobra.Group{ID: groupJobs, Title: "Jobs:"},
		&cobra.Group{ID: groupWorkspace, Title: "Files in your workspace:"},
		&cobra.Group{ID: groupOther, Title: "More:"},
	)
	addGroup(root, groupJobs,
		newServicesCommand(a), newSubmitCommand(a), newListCommand(a), newGetCommand(a), newStatusCommand(a),
		newWatchCommand(a), newLogsCommand(a), newResultsCommand(a), newCancelCommand(a), newRerunCommand(a), newReportCommand(a),
		newShareCommand(a), newUnshareCommand(a), newSharesCommand(a), newKeepCommand(a), newUnkeepCommand(a), newQueueCommand(a))
	addGroup(root, groupWorkspace, newUploadCommand(a), newUploadsCommand(a), newLsCommand(a), newDownloadCommand(a),
		newMvCommand(a), newCpCommand(a), newMkdirCommand(a), newRmCommand(a), newQuotaCommand(a))
	addGroup(root, groupOther, newLoginCommand(a), newLogoutCommand(a), newServerCommand(a), newWhoamiCommand(a), newTokenCommand(a, "token"), newSessionsCommand(a), newAdminCommand(a), newVersionCommand(a))
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	completeFlag(root, "server")
	return root
}

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// verb makes a verb's own code a cobra run function. From then on errors are
// no longer about usage, unless they say so.
func (a *app) verb(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		if a.link.timeout <= 0 {
			return usagef("--timeout must be more than 0")
		}
		if err := checkText(cmd, args); err != nil {
			return err
		}
		return run(cmd.Context(), args)
	}
}

// localFlags are those whose values name files of this machine alone, whose names may be any bytes.
var localFlags = []string{"token-file", "ca-file", "cert-file", "key-file", "params-file", "dir"}

// checkText refuses arguments that are no UTF-8: the API has text. A local name is none of its business, unless a name in
// the workspace is made of it.
func checkText(cmd *cobra.Command, args []string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) && cmd.Annotations[localArguments] == "" {
			return notText(fmt.Sprintf("the argument %q", arg))
		}
	}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		local := slices.Contains(localFlags, f.Name) || f.Name == "output" && f.Value.Type() == "string"
		if local || err != nil {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if !utf8.ValidString(v) {
				err = notText(fmt.Sprintf("--%s %q", f.Name, v))
			}
		}
	})
	return err
}

// localArguments marks verbs that look at their arguments themselves, since some are local names.
const localArguments = "local-arguments"

func notText(what string) error {
	return usagef("%s is not UTF-8, and the server takes text: rename the file, or write it in UTF-8", what)
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noSuchVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

func noSuchVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no %q in %s", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{text: text, details: []string{"See: " + cmd.CommandPath() + " --help"}}
}

// arguments checks the number of arguments; most below 0 means any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		problem := "too many arguments"
		if len(args) < least {
			problem = "something is missing"
		}
		return &usageError{text: problem + "; usage: " + cmd.UseLine(), details: []string{"See: " + cmd.CommandPath() + " --help"}}
	}
}
