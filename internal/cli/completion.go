package cli

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// completionTime is the longest that a shell waits for the server when the
// user presses Tab; then it completes nothing.
const completionTime = 800 * time.Millisecond

// candidates finds what an argument may be, given what was typed of it and the
// arguments before it. Shell completion has no place for errors: nil then.
type candidates func(ctx context.Context, before []string, typed string) []string

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeWith completes every argument from one source.
func (a *app) completeWith(find candidates) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, completionTime)
		defer cancel()
		a.link.timeout = completionTime
		var found []string
		for _, c := range find(ctx, args, typed) {
			if strings.HasPrefix(c, typed) {
				found = append(found, c)
			}
		}
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if len(found) == 1 && (strings.HasSuffix(found[0], "=") || strings.HasSuffix(found[0], "/")) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return found, directive
	}
}

// completeFirst completes the first argument only.
func (a *app) completeFirst(find candidates) completer {
	return a.completeWith(func(ctx context.Context, before []string, typed string) []string {
		if len(before) > 0 {
			return nil
		}
		return find(ctx, before, typed)
	})
}

// completeFlag completes a flag with fixed words; without any, with nothing rather than file names.
func completeFlag(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // a flag of that name was not defined before: a mistake in this package
	}
}

func completeFlagWith(cmd *cobra.Command, flag string, complete completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // as above
	}
}

// described joins a candidate and its description the way cobra expects.
func described(word, description string) string {
	if description = strings.TrimSpace(description); description != "" {
		// clean would turn the tab between the two into an escape.
		return clean(word) + "\t" + clean(description)
	}
	return clean(word)
}

func (a *app) completeServices(ctx context.Context, _ []string, _ string) []string {
	services, err := a.services(ctx)
	if err != nil {
		return nil
	}
	return namesOf(services, func(s *catalogv1.Service) string { return described(s.GetId(), s.GetLabel()) })
}

// completeJobs finds the caller's latest jobs in the given states; none means all.
func (a *app) completeJobs(states ...jobsv1.State) candidates {
	return func(ctx context.Context, before []string, _ string) []string {
		client, err := a.jobs()
		if err != nil {
			return nil
		}
		query := jobQuery{states: states}
		filter, _ := query.filter(time.Now())
		res, err := client.List(ctx, &jobsv1.ListRequest{Filter: filter, PageSize: 50})
		if err != nil {
			return nil
		}
		var found []string
		for _, j := range res.GetJobs() {
			if !slices.Contains(before, j.GetId()) {
				found = append(found, described(j.GetId(), stateWord(j.GetState())+" "+j.GetService()+" "+j.GetOutputName()))
			}
		}
		return found
	}
}

// completeResults finds a job id first and then the paths of its results.
func (a *app) completeResults(ctx context.Context, before []string, typed string) []string {
	if len(before) == 0 {
		return a.completeJobs()(ctx, before, typed)
	}
	client, err := a.jobs()
	if err != nil || len(before) > 1 {
		return nil
	}
	res, err := client.ListResults(ctx, &jobsv1.ListResultsRequest{Id: before[0]})
	if err != nil {
		return nil
	}
	return namesOf(res.GetFiles(), func(f *jobsv1.ResultFile) string { return described(f.GetPath(), f.GetTitle()) })
}

// completePaths finds paths in the workspace below the folder typed so far.
func (a *app) completePaths(ctx context.Context, _ []string, typed string) []string {
	client, err := a.workspace()
	if err != nil {
		return nil
	}
	if !strings.HasPrefix(typed, "/") {
		typed = "/"
	}
	folder := path.Dir(typed + "x")
	res, err := client.List(ctx, &workspacev1.ListRequest{Path: folder})
	if err != nil {
		return nil
	}
	return namesOf(res.GetEntries(), func(e *workspacev1.WorkspaceEntry) string {
		if e.GetFolder() {
			return clean(e.GetPath()) + "/"
		}
		return clean(e.GetPath())
	})
}

// completeParameters finds `name=` for each parameter of the service that is the first argument.
func (a *app) completeParameters(ctx context.Context, before []string, typed string) []string {
	if len(before) == 0 || strings.Contains(typed, "=") {
		return nil
	}
	client, err := a.catalog()
	if err != nil {
		return nil
	}
	res, err := client.Get(ctx, &catalogv1.GetRequest{Id: before[0]})
	if err != nil {
		return nil
	}
	return namesOf(res.GetService().GetParameters(), func(p *catalogv1.Parameter) string { return clean(p.GetId()) + "=" })
}
