package cli

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newAuditCommand(a *app) *cobra.Command {
	var limit int
	req := &adminv1.ListAuditRequest{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who did what, newest first",
		Long: `List who did what, when, from where and how signed in, newest first. For operators and
auditors. Each entry carries the hash of the one before: "stintd audit verify" says
whether one was changed or taken out.`,
		Example: `  stint admin audit --user ada
  stint admin audit --job 12 -o json`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.Flags().StringVar(&req.User, "user", "", "only what this user did, or what was done for or to them")
	cmd.Flags().StringVar(&req.JobId, "job", "", "only what was done to this job")
	cmd.Flags().IntVar(&limit, "limit", 50, "show at most so many")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		if limit < 1 {
			return usagef("--limit must be at least 1")
		}
		entries, err := a.auditEntries(ctx, req, limit)
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: messagesOf(entries), list: true, names: namesOf(entries, auditNumber),
			table: func() error { a.auditTable(entries); return nil },
		})
	})
	return cmd
}

// auditEntries asks page by page. A page may be empty and not the last one.
func (a *app) auditEntries(ctx context.Context, req *adminv1.ListAuditRequest, limit int) ([]*adminv1.AuditEntry, error) {
	client, err := a.admin()
	if err != nil {
		return nil, err
	}
	var all []*adminv1.AuditEntry
	for {
		req.PageSize = int32(min(limit-len(all), 1000))
		var page *adminv1.ListAuditResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.ListAudit(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetEntries()...)
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" || len(all) >= limit {
			return all, nil
		}
	}
}

func (a *app) auditTable(entries []*adminv1.AuditEntry) {
	g := &grid{columns: []column{
		{title: "ENTRY", right: true},
		{title: "TIME"},
		{title: "USER", least: 6},
		{title: "FOR", least: 6, drop: 3},
		{title: "HOW", drop: 2},
		{title: "FROM", least: 8, drop: 1},
		{title: "WHAT"},
		{title: "JOBS", least: 6},
		{title: "WHOSE", least: 6},
		{title: "REASON", least: 12, wrap: true},
	}}
	for _, e := range entries {
		user, behalf := e.GetUser(), ""
		if e.GetActor() != "" {
			user, behalf = e.GetActor(), e.GetUser()
		}
		g.add(auditNumber(e), a.screen.time(e.GetTime()), user, behalf, e.GetHow(), e.GetAddress(),
			a.auditMethod(e), auditJobs(e), e.GetSubject(), e.GetReason())
	}
	g.print(a.out, a.screen)
}

// auditMethod is what was done, and how often the same was read again until when.
func (a *app) auditMethod(e *adminv1.AuditEntry) string {
	method := path.Base(e.GetMethod())
	if e.GetRepeats() == 0 {
		return method
	}
	return fmt.Sprintf("%s (%d more until %s)", method, e.GetRepeats(), a.screen.time(e.GetLastRepeatTime()))
}

func auditNumber(e *adminv1.AuditEntry) string { return strconv.FormatUint(e.GetSequence(), 10) }

// auditJobs is the jobs of an entry: all of few, and how many there are of many.
func auditJobs(e *adminv1.AuditEntry) string {
	const few = 5
	ids := e.GetJobIds()
	if len(ids) <= few {
		return strings.Join(ids, ",")
	}
	return strings.Join(ids[:few], ",") + " and " + strconv.Itoa(len(ids)-few) + " more"
}
