package store_test

import (
	"cmp"
	"context"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/store"
)

// condition is the same question to the index and to a job.
type condition struct {
	key  string
	asks func(*store.Entry) bool
	want func(*jobsv1.Job) bool
}

var conditions = []condition{
	{},
	{
		"name", func(e *store.Entry) bool { return strings.Contains(e.OutputName(), "ha") },
		func(j *jobsv1.Job) bool { return strings.Contains(j.GetOutputName(), "ha") },
	},
	{
		"priority", func(e *store.Entry) bool { return e.Priority() > 0 },
		func(j *jobsv1.Job) bool { return j.GetPriority() > 0 },
	},
	{
		"label", func(e *store.Entry) bool { v, ok := e.Label("run"); return ok && v == "n1" },
		func(j *jobsv1.Job) bool { return j.GetLabels()["run"] == "n1" },
	},
	{
		"exit", func(e *store.Entry) bool { c, ok := e.ExitCode(); return ok && c > 0 },
		func(j *jobsv1.Job) bool { return j.ExitCode != nil && j.GetExitCode() > 0 },
	},
	{
		"reason", func(e *store.Entry) bool { return e.Reason() == 1 || e.CompleteTime() != 0 },
		func(j *jobsv1.Job) bool { return j.GetReason() == 1 || j.GetCompleteTime() != nil },
	},
	{
		"", func(e *store.Entry) bool { return e.Revision()%2 == 0 }, // a condition without a name
		func(j *jobsv1.Job) bool { return j.GetRevision()%2 == 0 },
	},
}

var fields = []store.Field{
	store.ByID, store.BySubmitTime, store.ByStartTime, store.ByCompleteTime, store.ByService, store.ByState, store.ByOutputName,
}

// page turns all pages of a random query and compares with the model.
func (m *model) page(t *rapid.T) {
	cond := rapid.SampledFrom(conditions).Draw(t, "condition")
	q := store.Query{Match: cond.asks, MatchKey: cond.key, Limit: rapid.IntRange(1, 10).Draw(t, "limit"), Scope: store.Everyone}
	if rapid.Bool().Draw(t, "of an owner") {
		q.Scope = store.OwnedBy(rapid.SampledFrom(owners).Draw(t, "owner"))
	}
	if rapid.Bool().Draw(t, "of a service") {
		q.Service = rapid.SampledFrom(services).Draw(t, "service")
	}
	for _, f := range rapid.SliceOfN(rapid.SampledFrom(fields), 0, 3).Draw(t, "order") {
		q.Order = append(q.Order, store.Order{Field: f, Desc: rapid.Bool().Draw(t, "desc")})
	}
	if rapid.Bool().Draw(t, "of states") {
		q.States = rapid.SliceOfNDistinct(rapid.SampledFrom([]jobsv1.State{queued, running, completed, failed, cancelled}), 1, 3, rapid.ID).Draw(t, "states")
	}
	if rapid.Bool().Draw(t, "full") {
		q.View = jobsv1.JobView_JOB_VIEW_FULL
	}
	want := m.selected(&q, cond.want)
	var got []*jobsv1.Job
	for {
		page, err := m.s.Page(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != int64(len(want)) || !page.Exact || page.Revision != m.revision {
			t.Fatalf("total %d (exact %v) at %d, want %d at %d", page.Total, page.Exact, page.Revision, len(want), m.revision)
		}
		got = append(got, page.Jobs...)
		if page.Next == nil {
			break
		}
		if len(page.Jobs) != q.Limit {
			t.Fatalf("a page of %d that is not the last", len(page.Jobs))
		}
		q.After = throughBytes(t, page.Next)
	}
	if diff := gocmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
}

func throughBytes(t *rapid.T, c *store.Cursor) *store.Cursor {
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again := new(store.Cursor)
	if err := again.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return again
}

// selected answers a query from the model.
func (m *model) selected(q *store.Query, fits func(*jobsv1.Job) bool) []*jobsv1.Job {
	var found []*jobsv1.Job
	for _, id := range m.ids(nil) {
		j := m.jobs[id]
		if !q.Scope.All && j.GetOwner() != q.Scope.Owner || q.Service != "" && j.GetService() != q.Service ||
			len(q.States) > 0 && !slices.Contains(q.States, j.GetState()) || fits != nil && !fits(j) {
			continue
		}
		j = proto.CloneOf(j)
		if q.View != jobsv1.JobView_JOB_VIEW_FULL {
			j.Parameters, j.Attempts, j.History = nil, nil, nil
		}
		found = append(found, j)
	}
	order := slices.Clone(q.Order)
	last := store.Order{Field: store.ByID, Desc: true}
	if len(order) > 0 {
		last.Desc = order[len(order)-1].Desc
	}
	order = append(order, last)
	slices.SortStableFunc(found, func(a, b *jobsv1.Job) int {
		for _, o := range order {
			if c := compareJobs(a, b, o.Field); c != 0 {
				if o.Desc {
					c = -c
				}
				return c
			}
		}
		return 0
	})
	return found
}

func compareJobs(a, b *jobsv1.Job, f store.Field) int {
	switch f {
	case store.ByStartTime:
		return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime())
	case store.ByCompleteTime:
		return a.GetCompleteTime().AsTime().Compare(b.GetCompleteTime().AsTime())
	case store.ByService:
		return strings.Compare(a.GetService(), b.GetService())
	case store.ByState:
		return cmp.Compare(a.GetState(), b.GetState())
	case store.ByOutputName:
		return strings.Compare(a.GetOutputName(), b.GetOutputName())
	default:
		return cmp.Compare(number(a), number(b))
	}
}

func number(j *jobsv1.Job) int { return leading(j.GetId() + ":") }
