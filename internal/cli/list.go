package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// listOptions are the flags of `stint list`.
type listOptions struct {
	query    jobQuery
	states   []string
	sort     string
	owner    string
	all      bool
	limit    int
	allPages bool
	watch    bool
	patience time.Duration
	format   *format
}

// sortFields are the fields that jobs can be sorted by.
var sortFields = []string{"submit_time", "start_time", "complete_time", "service", "state", "output_name", "id"}

func newListCommand(a *app) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs",
		Long: `List jobs, the latest first.

With --watch the list stays and follows every change: on a terminal it is drawn
anew, in a pipe each change is a line.`,
		Example: `  stint list --state running,queued
  stint list --service GenomeAssembly --since 7d --sort complete_time
  stint list --label project=phage --search lambda
  stint list --filter 'exit_code > 1 AND complete_time > "2026-01-01T00:00:00Z"'
  stint list --all-pages -o jsonl > jobs.jsonl`,
		Args: arguments(0, 0),
	}
	o.format = addFormat(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.states, "state", nil, "only jobs in this state; several: by commas ("+strings.Join(stateNames(), ", ")+")")
	flags.StringArrayVar(&o.query.services, "service", nil, "only jobs of this service; may be repeated")
	flags.StringArrayVar(&o.query.labels, "label", nil, "only jobs with this label, as KEY=VALUE; may be repeated")
	flags.StringVar(&o.query.since, "since", "", "only jobs submitted at or after this `TIME`: 2026-01-31, \"2026-01-31 14:00\", today, 24h, 7d")
	flags.StringVar(&o.query.until, "until", "", "only jobs submitted before this `TIME`")
	flags.StringVar(&o.query.search, "search", "", "only jobs with this `WORD` in output name, id, service or a label")
	flags.StringVar(&o.query.raw, "filter", "", "only jobs that match this filter, in the language of AIP-160")
	flags.StringVar(&o.sort, "sort", "", "sort by a `FIELD` ("+strings.Join(sortFields, ", ")+"); several by commas, each with \" desc\" or a leading - for the reverse; -submit_time by default")
	flags.IntVar(&o.limit, "limit", 50, "show at most so many jobs")
	flags.BoolVar(&o.allPages, "all-pages", false, "show all jobs, however many")
	addOwnerFlags(cmd, &o.owner, &o.all)
	flags.BoolVar(&o.watch, "watch", false, "stay and follow the changes")
	addPatience(cmd, &o.patience)
	completeFlag(cmd, "state", stateNames()...)
	completeFlag(cmd, "sort", sortFields...)
	completeFlagWith(cmd, "service", a.completeWith(a.completeServices))
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error { return a.list(ctx, o) })
	return cmd
}

// addOwnerFlags gives a verb --owner and --all.
func addOwnerFlags(cmd *cobra.Command, owner *string, all *bool) {
	cmd.Flags().StringVar(owner, "owner", "", "the jobs of this `USER` (operators)")
	cmd.Flags().BoolVar(all, "all", false, "everybody's jobs (operators)")
}

// ownerOf gives the owner as the API wants it.
func ownerOf(owner string, all bool) (string, error) {
	switch {
	case all && owner != "":
		return "", usagef("--owner and --all exclude each other")
	case all:
		return "*", nil
	default:
		return owner, nil
	}
}

func (a *app) list(ctx context.Context, o *listOptions) error {
	req, err := o.request(time.Now())
	if err != nil {
		return err
	}
	if o.watch {
		return a.watchList(ctx, o, req)
	}
	if *o.format == asJSONL || *o.format == asName {
		// Line by line, so that millions of jobs need no memory here.
		return a.eachPage(ctx, req, o.limit, func(page *jobsv1.ListResponse) error {
			return a.show(*o.format, answer{messages: messagesOf(page.GetJobs()), names: namesOf(page.GetJobs(), (*jobsv1.Job).GetId)})
		})
	}
	page, err := a.listPages(ctx, req, o.limit)
	if err != nil {
		return err
	}
	return a.show(*o.format, answer{
		messages: messagesOf(page.GetJobs()), list: true,
		table: func() error {
			a.jobGrid(page.GetJobs(), req.GetOwner() != "").print(a.out, a.screen)
			if a.screen.tty {
				fmt.Fprintln(a.out, a.screen.paint(faint, listFooter(page)))
			}
			return nil
		},
	})
}

// request puts the flags into a request; its page size is left open.
func (o *listOptions) request(now time.Time) (*jobsv1.ListRequest, error) {
	var err error
	if o.query.states, err = parseStates(o.states); err != nil {
		return nil, err
	}
	filter, err := o.query.filter(now)
	if err != nil {
		return nil, err
	}
	owner, err := ownerOf(o.owner, o.all)
	if err != nil {
		return nil, err
	}
	switch {
	case o.allPages && o.watch:
		return nil, usagef("--watch shows one page; use --limit")
	case o.allPages:
		o.limit = 0
	case o.limit < 1:
		return nil, usagef("--limit must be at least 1; --all-pages shows all")
	}
	req := &jobsv1.ListRequest{Filter: filter, OrderBy: orderBy(o.sort), Owner: owner}
	switch *o.format {
	case asJSON, asJSONL, asYAML:
		// Programs get whole jobs: the BASIC view would show no parameters and attempts, as if there were none.
		req.View = jobsv1.JobView_JOB_VIEW_FULL
	case asTable, asName:
		req.View = jobsv1.JobView_JOB_VIEW_BASIC
	}
	return req, nil
}

// orderBy turns -field into `field desc`.
func orderBy(s string) string {
	var fields []string
	for f := range strings.SplitSeq(s, ",") {
		f = strings.TrimSpace(f)
		if reverse, ok := strings.CutPrefix(f, "-"); ok {
			f = reverse + " desc"
		}
		if f != "" {
			fields = append(fields, f)
		}
	}
	return strings.Join(fields, ",")
}

// listFooter says how much of the whole is seen.
func listFooter(page *jobsv1.ListResponse) string {
	shown, total := int64(len(page.GetJobs())), page.GetTotalSize()
	if page.GetNextPageToken() == "" {
		return plural(shown, "job")
	}
	least := ""
	if !page.GetTotalSizeExact() {
		least = "at least "
	}
	return fmt.Sprintf("%s of %s%s (--limit N or --all-pages shows more)", humanCount(shown), least, plural(total, "job"))
}
