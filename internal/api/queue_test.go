package api_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestTheQueueShowsEverybodysJobsAndMasksThoseOfOthers(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.as("ann"), w.as("bob")
	hidden, lent, done, own := w.submit(ann), w.submit(ann), w.submit(ann), w.submit(bob)
	w.finish(done, jobsv1.State_STATE_COMPLETED, nil)
	w.finish(lent, jobsv1.State_STATE_RUNNING, nil)
	w.share(ann, lent.GetId(), logs)
	ids := func(ctx context.Context, state jobsv1.State) (got []string) {
		t.Helper()
		token := ""
		for {
			resp, err := w.queue().ListQueue(ctx, &adminv1.ListQueueRequest{State: state, PageSize: 1, PageToken: token})
			must(t, err)
			if resp.GetTotalQueued() != 2 || resp.GetTotalRunning() != 1 {
				t.Errorf("totals %d and %d", resp.GetTotalQueued(), resp.GetTotalRunning())
			}
			for _, r := range resp.GetRows() {
				got = append(got, r.GetId())
				if (r.GetQueuePosition() != nil) != (!r.GetMasked() && r.GetState() == jobsv1.State_STATE_QUEUED) {
					t.Errorf("position %v of row %v", r.GetQueuePosition(), r)
				}
				if r.GetMasked() != (r.GetOwner() == "") || r.GetMasked() != (r.GetExecutor() == "") || r.GetSubmitTime() == nil {
					t.Errorf("row %v", r)
				}
			}
			if token = resp.GetNextPageToken(); token == "" {
				return got
			}
		}
	}
	for name, c := range map[string]struct {
		ctx   context.Context //nolint:containedctx // a row of a table
		state jobsv1.State
		want  []string
	}{
		"a user":           {bob, 0, []string{"", lent.GetId(), own.GetId()}},
		"nobody's friend":  {w.as("eve"), 0, []string{"", "", ""}},
		"the waiting":      {bob, jobsv1.State_STATE_QUEUED, []string{"", own.GetId()}},
		"the running":      {bob, jobsv1.State_STATE_RUNNING, []string{lent.GetId()}},
		"an operator":      {w.as("root", "operator"), 0, []string{hidden.GetId(), lent.GetId(), own.GetId()}},
		"an auditor":       {w.as("mel", "auditor"), 0, []string{hidden.GetId(), lent.GetId(), own.GetId()}},
		"an owner":         {ann, 0, []string{hidden.GetId(), lent.GetId(), ""}},
		"a service's user": {w.as("web", "service"), 0, []string{"", "", ""}},
	} {
		if got := ids(c.ctx, c.state); !slices.Equal(got, c.want) {
			t.Errorf("%s sees %q, want %q", name, got, c.want)
		}
	}
	first, err := w.queue().ListQueue(bob, &adminv1.ListQueueRequest{PageSize: 1})
	must(t, err)
	for name, req := range map[string]*adminv1.ListQueueRequest{
		"a state that waits for nothing": {State: jobsv1.State_STATE_FAILED}, "a state that is none": {State: 99},
		"a negative size": {PageSize: -1}, "no token": {PageToken: "x"}, "another query's token": {State: jobsv1.State_STATE_QUEUED, PageToken: first.GetNextPageToken()},
	} {
		if _, err := w.queue().ListQueue(bob, req); err == nil {
			t.Errorf("%s is taken", name)
		} else {
			refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
		}
	}
	_, err = w.queue().ListQueue(ann, &adminv1.ListQueueRequest{PageToken: first.GetNextPageToken()})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}

// secret is what of a job only those may know who see it.
type secret struct {
	Owner, Service, Name, Folder, Executor, Label, Parameter, Message, Partition string
	Reason                                                                       jobsv1.Reason
	Priority                                                                     int32
	Expected                                                                     bool
	Before                                                                       int // jobs that came and went before it
}

// known is what everybody may know of a job.
type known struct {
	Own       bool
	Running   bool
	Resources *jobsv1.Resources
	After     time.Duration // since the job before
}

func drawSecret(t *rapid.T) secret {
	word := func(label string) string {
		return rapid.SampledFrom([]string{"a", "bb", "some-much-longer-word"}).Draw(t, label)
	}
	return secret{
		Owner: word("owner"), Service: word("service"), Name: word("name"), Folder: "/" + word("folder"), Executor: word("executor"),
		Label: word("label"), Parameter: word("parameter"), Message: word("message"), Partition: word("partition"),
		Reason:   jobsv1.Reason(rapid.Int32Range(0, 20).Draw(t, "reason")),
		Priority: rapid.Int32Range(-100, 100).Draw(t, "priority"), Expected: rapid.Bool().Draw(t, "expected"),
		Before: rapid.IntRange(0, 2).Draw(t, "before"),
	}
}

func drawKnown(t *rapid.T) known {
	r := &jobsv1.Resources{
		Cpus: rapid.Int32Range(1, 70).Draw(t, "cpus"), Gpus: rapid.Int32Range(0, 3).Draw(t, "gpus"),
		MemoryBytes: rapid.Int64Range(1, 1<<40).Draw(t, "memory"),
	}
	if hours := rapid.IntRange(0, 100).Draw(t, "hours"); hours > 0 {
		r.TimeLimit = durationpb.New(time.Duration(hours) * time.Hour)
	}
	return known{
		Own: rapid.Bool().Draw(t, "own"), Running: rapid.Bool().Draw(t, "running"), Resources: r,
		After: time.Duration(rapid.IntRange(0, 100).Draw(t, "after")) * time.Second,
	}
}

// population is a store with jobs: the n-th has what everybody knows and what is secret.
type population struct {
	t   *rapid.T
	s   *store.Store
	now time.Time
}

func (p *population) submit(owner string, j *jobsv1.Job) job.ID {
	got, _, err := p.s.Submit(context.Background(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: owner})
	if err != nil {
		p.t.Fatal(err)
	}
	id, err := job.ParseID(got[0].GetId())
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

func (p *population) update(id job.ID, fn func(*jobsv1.Job)) {
	_, err := p.s.Update(context.Background(), store.Everyone, id, func(r *storev1.Record) error {
		fn(r.GetJob())
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *population) add(k known, x secret) {
	p.now = p.now.Add(k.After)
	for range x.Before {
		id := p.submit(x.Owner, &jobsv1.Job{Service: x.Service, State: jobsv1.State_STATE_QUEUED})
		p.update(id, func(j *jobsv1.Job) { j.State = jobsv1.State_STATE_COMPLETED })
		if _, err := p.s.Delete(context.Background(), id); err != nil {
			p.t.Fatal(err)
		}
	}
	owner := "other-" + x.Owner
	if k.Own {
		owner = "ann"
	}
	asked := proto.CloneOf(k.Resources)
	asked.Partition, asked.Account, asked.Constraint = x.Partition, x.Partition, x.Partition
	asked.Named = map[string]int64{x.Partition: int64(len(x.Partition))}
	id := p.submit(owner, &jobsv1.Job{
		Service: x.Service, OutputName: x.Name, OutputFolder: x.Folder, Executor: x.Executor, Priority: x.Priority,
		Labels: map[string]string{x.Label: x.Label}, Parameters: params(x.Parameter, structpb.NewStringValue(x.Parameter)),
		Resources: asked, State: jobsv1.State_STATE_QUEUED, Reason: x.Reason, Message: x.Message,
	})
	p.update(id, func(j *jobsv1.Job) {
		j.EngineState, j.Progress = x.Message, &jobsv1.Progress{Message: x.Message}
		j.Attempts = []*jobsv1.Attempt{{Number: 1, Node: x.Message, GpuIndexes: []int32{x.Priority}, Resources: asked}}
		j.InputBytes, j.ServiceVersion = int64(x.Before), x.Service
		if x.Expected {
			j.ExpectedStartTime = timestamppb.New(p.now.Add(time.Hour))
		}
		if k.Running {
			j.State, j.StartTime = jobsv1.State_STATE_RUNNING, timestamppb.New(p.now)
		}
	})
}

// called is a context in which the interceptors let a call through.
type called struct{ grpc.ServerTransportStream }

func (called) Method() string { return adminv1.QueueService_ListQueue_FullMethodName }

// answers are all pages of the queue for ann, without the values of tokens
// and what she may know: of her own jobs everything but that they are there.
func (p *population) answers(srv *api.Server, page int32) (all []*adminv1.ListQueueResponse) {
	ctx := auth.NewContext(context.Background(), auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}})
	ctx = grpc.NewContextWithServerTransportStream(ctx, called{})
	token := ""
	for {
		resp, err := srv.Queue.ListQueue(ctx, &adminv1.ListQueueRequest{PageSize: page, PageToken: token})
		if err != nil {
			p.t.Fatal(err)
		}
		if token = resp.GetNextPageToken(); token != "" {
			resp.NextPageToken = string(slices.Repeat([]byte("x"), len(token)))
		}
		for i, r := range resp.GetRows() {
			if !r.GetMasked() {
				resp.Rows[i] = &adminv1.QueueRow{Owner: r.GetOwner()}
			}
		}
		if all = append(all, resp); token == "" {
			return all
		}
	}
}

func TestAMaskedAnswerDependsOnNothingHidden(t *testing.T) {
	w := newWorld(t)
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		facts := rapid.SliceOfN(rapid.Custom(drawKnown), 1, 5).Draw(rt, "facts")
		page := rapid.Int32Range(1, 4).Draw(rt, "page")
		var worlds [2][]*adminv1.ListQueueResponse
		for i := range worlds {
			func() {
				p := &population{t: rt, now: time.Unix(1_700_000_000, 0)}
				path := filepath.Join(dir, time.Duration(run*2+i).String())
				s, err := store.Open(store.Config{Path: path, Now: func() time.Time { return p.now }})
				must(t, err)
				defer storetest.Close(t, s, path)
				p.s = s
				must(t, s.SetSettings(t.Context(), &storev1.Settings{PageTokenKey: make([]byte, 32)}))
				srv, err := api.New(api.Config{
					Store: s, Catalog: w.live, Scheduler: engines{}, Folders: w.folders, Workspace: w.files,
					Tokens: auth.NewTokens(s, w.auth), Users: auth.NewUsers(s, w.auth), DefaultExecutor: "local",
				})
				must(t, err)
				for _, k := range facts {
					p.add(k, drawSecret(rt))
				}
				worlds[i] = p.answers(srv, page)
			}()
		}
		if diff := gocmp.Diff(worlds[0], worlds[1], protocmp.Transform()); diff != "" {
			rt.Fatalf("what is masked depends on what is hidden:\n%s", diff)
		}
		for i := range worlds[0] {
			a, errA := proto.MarshalOptions{Deterministic: true}.Marshal(worlds[0][i])
			b, errB := proto.MarshalOptions{Deterministic: true}.Marshal(worlds[1][i])
			if err := errors.Join(errA, errB); err != nil || !slices.Equal(a, b) {
				rt.Fatalf("page %d differs in its bytes: %v", i, err)
			}
		}
	})
}
