package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	history = jobsv1.ShareRight_SHARE_RIGHT_HISTORY
	logs    = jobsv1.ShareRight_SHARE_RIGHT_LOGS
	results = jobsv1.ShareRight_SHARE_RIGHT_RESULTS
	rerun   = jobsv1.ShareRight_SHARE_RIGHT_RERUN
)

// share gives bob rights of a job of the caller.
func (w *world) share(ctx context.Context, id string, rights ...jobsv1.ShareRight) {
	w.Helper()
	_, err := w.jobs().Share(ctx, &jobsv1.ShareRequest{Id: id, User: "bob", Rights: rights, UnknownUser: true})
	must(w, err)
}

// unshare takes a job back from bob.
func (w *world) unshare(ctx context.Context, id string) {
	w.Helper()
	_, err := w.jobs().Unshare(ctx, &jobsv1.UnshareRequest{Id: id, User: "bob"})
	must(w, err)
}

// finished is a job of the caller with a log and a result.
func (w *world) finished(ctx context.Context) *jobsv1.Job {
	w.Helper()
	j := w.submit(ctx)
	w.finish(j, jobsv1.State_STATE_FAILED, map[string]string{"output/t.tsv": "a\tb\n", "stdout": "hello\n"})
	return j
}

// sharedCalls are w.calls with those on the shares of a job.
func (w *world) sharedCalls(id string) map[string]func(context.Context) error {
	calls := w.calls(id)
	calls["Share"] = func(ctx context.Context) error {
		_, err := w.jobs().Share(ctx, &jobsv1.ShareRequest{Id: id, User: "eve", Rights: []jobsv1.ShareRight{history}, UnknownUser: true})
		return err
	}
	calls["Unshare"] = func(ctx context.Context) error {
		_, err := w.jobs().Unshare(ctx, &jobsv1.UnshareRequest{Id: id, User: "eve"})
		return err
	}
	calls["ListShares"] = func(ctx context.Context) error {
		_, err := w.jobs().ListShares(ctx, &jobsv1.ListSharesRequest{Id: id})
		return err
	}
	return calls
}

func TestARightOpensItsCallsAndNoOther(t *testing.T) {
	w := newWorld(t)
	ann, bob, eve := w.as("ann"), w.as("bob"), w.as("eve")
	w.submit(bob) // he has the file that the parameters name, too
	j := w.finished(ann)
	for _, given := range [][]jobsv1.ShareRight{nil, {history}, {logs}, {results}, {rerun}, {logs, results}} {
		if given != nil {
			w.share(ann, j.GetId(), given...)
		}
		for name, call := range w.sharedCalls(j.GetId()) {
			right := auth.SharedBy("/stint.jobs.v1.JobService/" + name)
			if given != nil && right == history || slices.Contains(given, right) {
				must(t, call(bob))
			} else {
				likeNone(t, w, name, call(bob), j.GetId(), bob)
			}
			likeNone(t, w, name, call(eve), j.GetId(), eve)
		}
		got, err := w.jobs().BatchGet(bob, &jobsv1.BatchGetRequest{Ids: []string{j.GetId(), "999"}})
		if err != nil || (len(got.GetJobs()) == 1) != (given != nil) {
			t.Errorf("BatchGet with %v: %v, %v", given, got, err)
		}
		list, err := w.jobs().List(bob, &jobsv1.ListRequest{})
		if err != nil || list.GetTotalSize() != 1 {
			t.Errorf("List with %v: %v, %v", given, list, err)
		}
	}
	op := w.as("root", "operator")
	likeNone(t, w, "Share", w.sharedCalls(j.GetId())["Share"](op), j.GetId(), op)
	for _, name := range []string{"Unshare", "ListShares"} { // they look after those of others
		must(t, w.sharedCalls(j.GetId())[name](op))
	}
}

// likeNone compares an answer about a job with the one about a job that does not exist.
func likeNone(t *testing.T, w *world, name string, got error, id string, ctx context.Context) { //nolint:revive // a test's helper
	t.Helper()
	const none = "999"
	want := status.Convert(w.sharedCalls(none)[name](ctx)).Proto()
	said := strings.ReplaceAll(protojson.Format(want), none, id)
	if st := status.Convert(got).Proto(); spaceless(protojson.Format(st)) != spaceless(said) || codes.Code(st.GetCode()) != codes.NotFound {
		t.Errorf("%s: %v, and of none %v", name, st, want)
	}
}

// spaceless is JSON as it says something: protojson varies the spaces on purpose.
func spaceless(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestARerunOfASharedJobIsTheCallers(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	must(t, w.upload(ann, "/in.txt", "ann's"))
	asked := copyJob()
	asked.OutputFolder, asked.Labels, asked.Resources = "/ann/runs", map[string]string{"run": "7"}, &jobsv1.Resources{Account: "anns", Cpus: 3}
	resp, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: asked})
	must(t, err)
	id := resp.GetJob().GetId()
	w.share(ann, id, rerun)
	_, err = w.jobs().Rerun(bob, &jobsv1.RerunRequest{Id: id})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{"parameters.source"}) {
		t.Errorf("without the file: %v", fields)
	}
	must(t, w.upload(bob, "/in.txt", "bob's"))
	again, err := w.jobs().Rerun(bob, &jobsv1.RerunRequest{Id: id})
	must(t, err)
	j := again.GetJob()
	if j.GetOwner() != "bob" || j.GetRerunOf() != id || j.GetOutputFolder() != job.DefaultOutputFolder ||
		j.GetResources().GetAccount() != "" || j.GetResources().GetCpus() != 3 || j.GetLabels()["run"] != "7" {
		t.Errorf("the new job is %v", j)
	}
	refusalOf := func(err error) { t.Helper(); refusal(t, err, codes.NotFound, "NOT_FOUND") }
	_, err = w.jobs().Get(ann, &jobsv1.GetRequest{Id: j.GetId()})
	refusalOf(err)
	byOperator, err := w.jobs().Rerun(op, &jobsv1.RerunRequest{Id: id, Reason: "the disk was full"})
	if err != nil || byOperator.GetJob().GetOwner() != "ann" {
		t.Errorf("by an operator: %v, %v", byOperator, err)
	}
}

// drained reads a stream to its end and answers what comes.
func drained[M any](s interface{ Recv() (M, error) }) (all []M, err error) {
	for {
		m, err := s.Recv()
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}

func TestOpenStreamsEndWhenAJobIsTakenBack(t *testing.T) {
	for name, takeBack := range map[string]func(*world, context.Context, string){
		"unshare":      (*world).unshare,
		"other rights": func(w *world, ctx context.Context, id string) { w.share(ctx, id, rerun) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ann, bob := w.as("ann"), w.as("bob")
			j := w.submit(ann)
			w.finish(j, jobsv1.State_STATE_RUNNING, map[string]string{"output/big.tsv": strings.Repeat("x", 32<<20), "stdout": "one\n"})
			w.share(ann, j.GetId(), logs, results)
			follow, err := w.jobs().StreamLogs(bob, &jobsv1.StreamLogsRequest{Id: j.GetId(), Stream: jobsv1.LogStream_LOG_STREAM_STDOUT, Follow: true})
			must(t, err)
			first, err := follow.Recv()
			if err != nil || string(first.GetData()) != "one\n" {
				t.Fatal(first, err)
			}
			read, err := w.jobs().ReadResult(bob, &jobsv1.ReadResultRequest{Id: j.GetId(), Path: "big.tsv"})
			must(t, err)
			_, err = read.Recv()
			must(t, err)
			takeBack(w, ann, j.GetId())
			w.finish(j, jobsv1.State_STATE_RUNNING, map[string]string{"stdout": "one\nsecret\n"})
			rest, err := drained(follow)
			refusal(t, err, codes.NotFound, "NOT_FOUND")
			for _, m := range rest {
				if len(m.GetData()) > 0 {
					t.Errorf("the log went on with %q", m.GetData())
				}
			}
			frames, err := drained(read)
			refusal(t, err, codes.NotFound, "NOT_FOUND")
			if len(frames) >= 32<<20/(64<<10) {
				t.Errorf("%d frames came: the whole file", len(frames))
			}
		})
	}
}

func TestAnOpenWatchEndsWhenAJobIsTakenBack(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.as("ann"), w.as("bob")
	a, b, own := w.submit(ann), w.submit(ann), w.submit(bob)
	w.share(ann, a.GetId(), history)
	w.share(ann, b.GetId(), history)
	watch := func(ids ...string) interface {
		Recv() (*jobsv1.WatchStatusResponse, error)
	} {
		t.Helper()
		s, err := w.jobs().WatchStatus(bob, &jobsv1.WatchStatusRequest{Ids: ids, UntilFinal: true})
		must(t, err)
		frames(t, s, snapshotEnd)
		return s
	}
	one, both, mixed := watch(a.GetId()), watch(a.GetId(), b.GetId()), watch(a.GetId(), own.GetId())
	w.unshare(ann, a.GetId())
	w.finish(a, jobsv1.State_STATE_RUNNING, nil)
	rest, err := drained(one)
	refusal(t, err, codes.NotFound, "NOT_FOUND")
	for _, m := range rest {
		if m.GetHeartbeat() == nil && m.GetRemoved().GetId() != a.GetId() {
			t.Errorf("after the end: %v", m)
		}
	}
	w.finish(b, jobsv1.State_STATE_COMPLETED, nil)
	w.finish(own, jobsv1.State_STATE_COMPLETED, nil)
	toTheEnd := func(*jobsv1.WatchStatusResponse) bool { return false }
	if got, want := frames(t, both, toTheEnd), fmt.Sprintf("removed:%s %s:COMPLETED end", a.GetId(), b.GetId()); got != want {
		t.Errorf("another shared job: %s, want %s", got, want)
	}
	if got, want := frames(t, mixed, toTheEnd), fmt.Sprintf("removed:%s %s:COMPLETED end", a.GetId(), own.GetId()); got != want {
		t.Errorf("a job of one's own: %s, want %s", got, want)
	}
}

// The end of a shared job looks like its being taken back.
func TestAnOpenWatchOfASharedJobEndsWithIt(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.as("ann"), w.as("bob")
	j := w.submit(ann)
	w.share(ann, j.GetId(), history)
	s, err := w.jobs().WatchStatus(bob, &jobsv1.WatchStatusRequest{Id: j.GetId()})
	must(t, err)
	frames(t, s, snapshotEnd)
	w.finish(j, jobsv1.State_STATE_COMPLETED, nil)
	if got := frames(t, s, func(m *jobsv1.WatchStatusResponse) bool { return m.GetJob() != nil }); got != j.GetId()+":COMPLETED" {
		t.Errorf("change: %s", got)
	}
	id, err := job.ParseID(j.GetId())
	must(t, err)
	_, err = w.store.Delete(t.Context(), id)
	must(t, err)
	rest, err := drained(s)
	refusal(t, err, codes.NotFound, "NOT_FOUND")
	if !slices.ContainsFunc(rest, func(m *jobsv1.WatchStatusResponse) bool { return m.GetRemoved() != nil }) {
		t.Errorf("no word of its end: %v", rest)
	}
}

func TestSharingIsCheckedWhole(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	for name, c := range map[string]struct {
		user   string
		rights []jobsv1.ShareRight
		fields []string
	}{
		"nobody, and nothing":   {"", nil, []string{"rights", "user"}},
		"no name":               {"b ob", []jobsv1.ShareRight{logs}, []string{"user"}},
		"oneself":               {"ann", []jobsv1.ShareRight{logs}, []string{"user"}},
		"a right that is none":  {"bob", []jobsv1.ShareRight{logs, 0, 99, -1}, []string{"rights[1]", "rights[2]", "rights[3]"}},
		"rights by the hundred": {"bob", slices.Repeat([]jobsv1.ShareRight{logs}, 100), []string{"rights"}},
	} {
		_, err := w.jobs().Share(ann, &jobsv1.ShareRequest{Id: j.GetId(), User: c.user, Rights: c.rights, UnknownUser: true})
		if got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(got, c.fields) {
			t.Errorf("%s: fields %v, want %v", name, got, c.fields)
		}
	}
	_, err := w.jobs().Unshare(ann, &jobsv1.UnshareRequest{Id: j.GetId(), User: "b/ob"})
	if got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(got, []string{"user"}) {
		t.Errorf("take back from no name: %v", got)
	}
	for i := range 101 {
		_, err = w.jobs().Share(ann, &jobsv1.ShareRequest{Id: j.GetId(), User: fmt.Sprintf("u%d", i), Rights: []jobsv1.ShareRight{logs}, UnknownUser: true})
	}
	refusal(t, err, codes.ResourceExhausted, "LIMIT_REACHED")
}

// shares reads a page of one share: of a job, or without an id of those with the caller.
func (w *world) shares(ctx context.Context, id, token string) (shares []*jobsv1.Share, next string) {
	w.Helper()
	if id == "" {
		resp, err := w.jobs().ListSharedWithMe(ctx, &jobsv1.ListSharedWithMeRequest{PageSize: 1, PageToken: token})
		must(w.T, err)
		return resp.GetShares(), resp.GetNextPageToken()
	}
	resp, err := w.jobs().ListShares(ctx, &jobsv1.ListSharesRequest{Id: id, PageSize: 1, PageToken: token})
	must(w.T, err)
	return resp.GetShares(), resp.GetNextPageToken()
}

func TestListsOfSharesArePagedForTheCallerAlone(t *testing.T) {
	w := newWorld(t)
	ann, bob, eve := w.as("ann"), w.as("bob"), w.as("eve")
	var ids []string
	for range 3 {
		j := w.submit(ann)
		ids = append([]string{j.GetId()}, ids...)
		w.share(ann, j.GetId(), logs)
	}
	_, err := w.jobs().Share(ann, &jobsv1.ShareRequest{Id: ids[0], User: "eve", Rights: []jobsv1.ShareRight{rerun}, UnknownUser: true})
	must(t, err)
	list := func(ctx context.Context, id string) (got []*jobsv1.Share, token string) {
		t.Helper()
		for {
			shares, next := w.shares(ctx, id, token)
			if got = append(got, shares...); next == "" {
				return got, token
			}
			token = next
		}
	}
	received, token := list(bob, "")
	for i, sh := range received {
		if sh.GetJobId() != ids[i] || sh.GetJob().GetOwner() != "ann" || sh.GetJob().GetParameters() != nil || !slices.Equal(sh.GetRights(), []jobsv1.ShareRight{history, logs}) {
			t.Errorf("share %d: %v", i, sh)
		}
	}
	given, ofJob := list(ann, ids[0])
	if len(received) != 3 || len(given) != 2 || given[0].GetUser() != "bob" || given[1].GetUser() != "eve" || given[0].GetJob() != nil {
		t.Errorf("%d shares with bob; of the job: %v", len(received), given)
	}
	for name, req := range map[string]*jobsv1.ListSharedWithMeRequest{
		"another caller's token": {PageToken: token}, "one of a job": {PageToken: ofJob}, "none": {PageToken: "x"}, "a negative size": {PageSize: -1},
	} {
		_, err := w.jobs().ListSharedWithMe(eve, req)
		if refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); err == nil {
			t.Error(name)
		}
	}
}

// What is shown of a shared job has nothing of the owner's workspace in it.
func TestASharedJobHidesTheOwnersFolders(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.as("ann"), w.as("bob")
	j := w.finished(ann)
	id, err := job.ParseID(j.GetId())
	must(t, err)
	_, err = w.store.Update(t.Context(), everyone, id, func(r *storev1.Record) error {
		r.Job.ResultFolder = "/jobs/secret"
		return nil
	})
	must(t, err)
	w.share(ann, j.GetId(), results)
	list, err := w.jobs().ListResults(bob, &jobsv1.ListResultsRequest{Id: j.GetId()})
	if err != nil || len(list.GetFiles()) != 1 || list.GetResultFolder() != "" {
		t.Errorf("results: %v, %v", list, err)
	}
	got, err := w.jobs().Get(bob, &jobsv1.GetRequest{Id: j.GetId()})
	if err != nil || got.GetJob().GetResultFolder()+got.GetJob().GetOutputFolder() != "" || got.GetJob().GetParameters() == nil {
		t.Errorf("job: %v, %v", got, err)
	}
	if list, err := w.jobs().ListResults(ann, &jobsv1.ListResultsRequest{Id: j.GetId()}); err != nil || list.GetResultFolder() == "" {
		t.Errorf("the owner's: %v, %v", list, err)
	}
	if _, err := drained(must1(w.jobs().ReadResult(bob, &jobsv1.ReadResultRequest{Id: j.GetId(), Path: "t.tsv"}))); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A mistyped name would give the job to the user who gets it later, so it is asked about. Operators see shares and undo them.
func TestAShareWithANameThatWasNeverSeenIsAskedAbout(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	j := w.submit(ann)
	share := func(user string, unknown bool) error {
		_, err := w.jobs().Share(ann, &jobsv1.ShareRequest{
			Id: j.GetId(), User: user, Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_LOGS}, UnknownUser: unknown,
		})
		return err
	}
	refusal(t, share("bbo", false), codes.FailedPrecondition, "USER_UNKNOWN")
	for what, id := range map[string]string{"no job": "999999999", "a job of another": w.submit(w.as("sue")).GetId()} {
		for _, user := range []string{"bbo", "sue"} { // never seen, and seen
			_, err := w.jobs().Share(ann, &jobsv1.ShareRequest{Id: id, User: user, Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_LOGS}})
			wantCode(t, what+", "+user, err, codes.NotFound, "")
		}
	}
	w.signedIn("bob", 1)
	w.as("eve")
	must(t, w.upload(w.as("zoe"), "/a.txt", "x"))
	must(t, share("mistyped", true))
	for _, seen := range []string{"bob", "eve", "zoe", "mistyped"} {
		must(t, share(seen, false))
	}
	op := w.as("root", "operator")
	list, err := w.jobs().ListShares(op, &jobsv1.ListSharesRequest{Id: j.GetId()})
	if err != nil || len(list.GetShares()) != 4 {
		t.Fatalf("an operator sees %v %v", list, err)
	}
	if _, err := w.jobs().Unshare(op, &jobsv1.UnshareRequest{Id: j.GetId(), User: "mistyped"}); err != nil {
		t.Fatal(err)
	}
	if list, err = w.jobs().ListShares(ann, &jobsv1.ListSharesRequest{Id: j.GetId()}); err != nil || len(list.GetShares()) != 3 {
		t.Errorf("the owner sees %v %v", list, err)
	}
	_, err = w.jobs().ListShares(w.as("bob"), &jobsv1.ListSharesRequest{Id: j.GetId()})
	wantCode(t, "with whom else it is shared", err, codes.NotFound, "")
}
