package api_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/catalog"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/warm"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engines are executors as the API sees them: one, with four cores, that never has room.
type engines struct {
	told func(id job.ID, attempt int, event jobsv1.JobEvent, p *workdir.Progress)
	why  func(id job.ID) (jobsv1.Reason, string)
}

func (engines) Has(name string) bool { return name == "local" }

func (engines) Never(_ string, r *jobsv1.Resources) job.Violations {
	var wrong job.Violations
	if r.GetCpus() > 4 {
		wrong.Add("cpus", "ask for more cores than there are")
	}
	return wrong
}

func (e engines) Why(id job.ID, _ string) (jobsv1.Reason, string) {
	if e.why == nil {
		return jobsv1.Reason_REASON_UNSPECIFIED, ""
	}
	return e.why(id)
}

func (engines) Forecast(string, *jobsv1.Resources) string { return "Waiting for cores." }

// Expect says of every job that waits what follows from its id.
func (engines) Expect(list ...*jobsv1.Job) {
	for _, j := range list {
		if id, err := job.ParseID(j.GetId()); err == nil && j.GetState() == jobsv1.State_STATE_QUEUED {
			j.QueuePosition = &jobsv1.QueuePosition{JobsAhead: int64(id), UsersAhead: 1} //nolint:gosec // small
			j.ExpectedStartTime = timestamppb.New(time.Unix(int64(id), 0))               //nolint:gosec // small
		}
	}
}

func (engines) Preview(j *jobsv1.Job) {
	j.QueuePosition = &jobsv1.QueuePosition{JobsAhead: j.GetInputBytes()}
}

// Advise advises a mebibyte for each byte of the inputs, once there are some.
func (engines) Advise(j *jobsv1.Job) *jobsv1.Advice {
	if j.GetInputBytes() < 20 {
		return &jobsv1.Advice{Samples: int32(j.GetInputBytes()), Note: "Nothing is advised."} //nolint:gosec // small
	}
	return &jobsv1.Advice{Samples: 20, MemoryBytes: j.GetInputBytes() << 20, TimeLimit: durationpb.New(time.Minute)}
}

func (engines) Orphans(context.Context) ([]*adminv1.Orphan, []string) {
	return []*adminv1.Orphan{{Executor: "slurm", EngineId: "9"}, {Executor: "local", EngineId: "7"}, {Executor: "slurm", EngineId: "11"}}, []string{"away"}
}

func (engines) CancelOrphan(_ context.Context, _, id string) error {
	if id != "7" {
		return job.ErrNotFound
	}
	return nil
}

func (e engines) Report(id job.ID, attempt int, event jobsv1.JobEvent, p *workdir.Progress) {
	e.told(id, attempt, event, p)
}

func (engines) Status() []*adminv1.ExecutorStatus {
	return []*adminv1.ExecutorStatus{{Name: "local", Healthy: true}}
}

// world is the API on real parts, without anything that runs jobs.
type world struct {
	*testing.T
	store    *store.Store
	folders  *workdir.Root
	files    *workspace.Workspace
	services string
	live     *catalog.Live
	auth     *auth.Authenticator
	sessions *auth.Sessions
	commands *auth.JobTokens // makes the tokens of jobs' commands
	told     []string        // what the scheduler was told by commands
	reports  []string
	conn     *grpc.ClientConn
	srv      *api.Server
}

const copyService = `
id: Copy
label: Copy
description: Copies a file.
command: [run]
parameters:
  - {id: source, label: Source, type: file, required: true}
  - {id: times, label: Times, type: integer, default: 1, min: 1, max: 9}
  - {id: mode, label: Mode, type: enum, enum: [fast, safe], default: safe}
resources: {cpus: 2, memory: 64M, time_limit: 10m}
results:
  - {pattern: "*.tsv", display: table, title: Table}
`

func newWorld(t *testing.T, changes ...func(*api.Config)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, services: filepath.Join(dir, "services")}
	w.service("Copy", copyService)
	w.service("Broken", strings.ReplaceAll(copyService, "[run]", "[no-such-program]")+"programs: [{name: no-such-program, package: nothing}]\n")
	w.store = storetest.OpenConfig(t, store.Config{Path: filepath.Join(dir, "jobs.db")})
	set := proto.CloneOf(w.store.Settings())
	set.PageTokenKey = make([]byte, 32)
	must(t, w.store.SetSettings(t.Context(), set))
	var err error
	w.folders, err = workdir.Open(filepath.Join(dir, "jobs"))
	must(t, err)
	w.files, err = workspace.Open(filepath.Join(dir, "workspace"), workspace.Options{QuotaBytes: 1 << 20})
	must(t, err)
	w.live, _, err = catalog.Open(w.services, catalog.Options{})
	must(t, err)
	w.commands, err = auth.NewJobTokens(make([]byte, 32), "test")
	must(t, err)
	w.auth, err = auth.New(auth.Config{
		Mode: auth.ModeToken, Tokens: w.store, Job: w.commands.Principal, JWT: ofIssuer,
		Users: func(user string) (bool, time.Time) {
			st := w.store.Standing(user)
			return st.Disabled, time.Unix(0, st.SignedOut)
		},
	})
	must(t, err)
	w.sessions, err = auth.NewSessions(auth.SessionsConfig{Store: w.store})
	must(t, err)
	w.sessions.EndStreams(w.auth)
	cfg := api.Config{
		Store: w.store, Catalog: w.live, Scheduler: engines{told: w.tell}, Folders: w.folders, Workspace: w.files,
		Tokens: auth.NewTokens(w.store, w.auth), Users: auth.NewUsers(w.store, w.auth), Sessions: w.sessions, DefaultExecutor: "local", MaxActivePerOwner: 20,
		Heartbeat: 50 * time.Millisecond, WatchEvery: time.Millisecond, Version: "test",
		OnIssue: func(id string, _ *storev1.Issue) { w.reports = append(w.reports, id) },
	}
	for _, change := range changes {
		change(&cfg)
	}
	srv, err := api.New(cfg)
	must(t, err)
	w.serve(srv)
	return w
}

// ofIssuer believes tokens like USER.GROUP.GROUP.
func ofIssuer(_ context.Context, text string) (auth.Principal, error) {
	words := strings.Split(text, ".")
	return auth.Principal{User: words[0], Groups: words[1:], Roles: []auth.Role{auth.RoleUser}, How: auth.HowOIDC, TokenID: words[0]}, nil
}

func (w *world) service(name, spec string) {
	w.Helper()
	dir := filepath.Join(w.services, name)
	must(w, os.MkdirAll(dir, 0o755))
	must(w, os.WriteFile(filepath.Join(dir, "service.yaml"), []byte(strings.Replace(spec, "id: Copy", "id: "+name, 1)), 0o600))
	must(w, os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\n"), 0o700)) //nolint:gosec // a program
}

func (w *world) serve(srv *api.Server) {
	w.Helper()
	l := bufconn.Listen(1 << 20)
	validator, err := api.NewValidator()
	must(w, err)
	around := []layers.Layer{api.Errors(discard()), w.auth.Layer, api.Validated(validator), api.Audited(w.store)}
	g := grpc.NewServer(
		grpc.ForceServerCodecV2(api.Codec(nil)),
		grpc.UnaryInterceptor(layers.Unary(around...)), grpc.StreamInterceptor(layers.Stream(around...)),
	)
	w.srv = srv
	w.register(g)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	must(w, err)
	w.conn = conn
	w.Cleanup(func() {
		must(w, conn.Close())
		g.Stop()
		must(w, <-done)
		must(w, w.files.Close())
		must(w, w.folders.Close())
	})
}

// register puts all services on a server. Some calls run on goroutines that are kept, and some, where more come at once, do not.
func (w *world) register(g *grpc.Server) {
	kept := warm.New(1)
	w.Cleanup(kept.Close)
	services := api.Registrar(g, api.Goroutines{Kept: kept})
	jobsv1.RegisterJobServiceServer(services, w.srv.Jobs)
	catalogv1.RegisterCatalogServiceServer(services, w.srv.Catalog)
	workspacev1.RegisterWorkspaceServiceServer(services, w.srv.Workspace)
	adminv1.RegisterAdminServiceServer(services, w.srv.Admin)
	adminv1.RegisterQueueServiceServer(services, w.srv.Queue)
	adminv1.RegisterStatusServiceServer(services, w.srv.Status)
	authv1.RegisterTokenServiceServer(services, w.srv.Tokens)
	authv1.RegisterSessionServiceServer(services, w.srv.Sessions)
	adminv1.RegisterUserServiceServer(services, w.srv.Users)
	authv1.RegisterAuthServiceServer(services, w.srv.Auth)
}

// as is a context in which a user calls, with a token of their own.
func (w *world) as(user string, roles ...string) context.Context {
	w.Helper()
	return w.with(auth.Grant{User: user, Roles: roles})
}

// with is a context in which the bearer of a token of that grant calls.
func (w *world) with(g auth.Grant) context.Context {
	w.Helper()
	_, text, err := auth.NewTokens(w.store, w.auth).Create(w.Context(), g)
	must(w, err)
	return metadata.AppendToOutgoingContext(w.Context(), "authorization", "Bearer "+text)
}

func (w *world) jobs() jobsv1.JobServiceClient { return jobsv1.NewJobServiceClient(w.conn) }
func (w *world) space() workspacev1.WorkspaceServiceClient {
	return workspacev1.NewWorkspaceServiceClient(w.conn)
}
func (w *world) admin() adminv1.AdminServiceClient { return adminv1.NewAdminServiceClient(w.conn) }

func (w *world) queue() adminv1.QueueServiceClient { return adminv1.NewQueueServiceClient(w.conn) }

func (w *world) status() adminv1.StatusServiceClient { return adminv1.NewStatusServiceClient(w.conn) }

func (w *world) tokens() authv1.TokenServiceClient { return authv1.NewTokenServiceClient(w.conn) }

// upload puts a file into the caller's workspace.
func (w *world) upload(ctx context.Context, path, content string) error {
	w.Helper()
	stream, err := w.space().Upload(ctx)
	must(w, err)
	must(w, stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: path}}}))
	if err := stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: []byte(content)}}); err != nil {
		w.Log(err) // the answer says why
	}
	_, err = stream.CloseAndRecv()
	return err
}

// copyJob is a good job on /in.txt.
func copyJob() *jobsv1.Job {
	return &jobsv1.Job{Service: "Copy", Parameters: params("source", structpb.NewStringValue("/in.txt"))}
}

func params(pairs ...any) *structpb.Struct {
	s := &structpb.Struct{Fields: make(map[string]*structpb.Value)}
	for i := 0; i < len(pairs); i += 2 {
		s.Fields[pairs[i].(string)] = pairs[i+1].(*structpb.Value) //nolint:errcheck,forcetypeassert // in a test
	}
	return s
}

// submit stores a good job of the caller.
func (w *world) submit(ctx context.Context) *jobsv1.Job {
	w.Helper()
	if err := w.upload(ctx, "/in.txt", "x"); err != nil && status.Code(err) != codes.AlreadyExists {
		w.Fatal(err)
	}
	resp, err := w.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: copyJob()})
	must(w, err)
	return resp.GetJob()
}

// finish makes a job look as if its attempt had run and written the files.
func (w *world) finish(j *jobsv1.Job, state jobsv1.State, files map[string]string) {
	w.Helper()
	id, err := job.ParseID(j.GetId())
	must(w, err)
	a := w.folders.Job(id).Attempt(1)
	must(w, w.folders.Job(id).Create())
	must(w, a.Create())
	for name, content := range files {
		path := filepath.Join(a.Path(), name)
		must(w, os.MkdirAll(filepath.Dir(path), 0o755))
		must(w, os.WriteFile(path, []byte(content), 0o600))
	}
	_, err = w.store.Update(w.Context(), store.Everyone, id, func(r *storev1.Record) error {
		r.Job.Attempts = []*jobsv1.Attempt{{Number: 1, Executor: "local"}}
		_, err := job.Transition(r.GetJob(), job.Status{State: state, Time: time.Now()})
		return err
	})
	must(w, err)
}

func must(t testing.TB, err error) { //nolint:thelper // it is the helper
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refusal checks an error's code and reason, that it says nothing of the
// inside, and answers the fields that it names.
func refusal(t *testing.T, err error, code codes.Code, reason string) []string {
	t.Helper()
	st, ok := status.FromError(err)
	if !ok || st.Code() != code {
		t.Errorf("got %v, want %v", err, code)
		return nil
	}
	var fields []string
	got := ""
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			got = d.GetReason()
			if d.GetDomain() != "stint" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				fields = append(fields, v.GetField())
				if v.GetDescription() == "" {
					t.Errorf("%s: no description", v.GetField())
				}
			}
		}
	}
	if got != reason {
		t.Errorf("reason %q, want %q (%v)", got, reason, err)
	}
	if len(st.Message()) > 600 || strings.Contains(st.Message(), os.TempDir()) {
		t.Errorf("message %q", st.Message())
	}
	return fields
}
