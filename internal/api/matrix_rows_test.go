package api_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/gateway"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
)

// row is what the matrix needs of one method: a good request about something of
// the caller's, of zoe's by its id, and of zoe's by her name. A nil one does not exist for the method.
type row struct {
	own, foreign, named func() proto.Message
	// hides reports whether the answer says of the thing that it does not exist. Nil where that is an error.
	hides func(proto.Message) bool
	// rest is the request over REST. Nil is what the contract's annotation says.
	rest func(t *testing.T, method protoreflect.MethodDescriptor, req proto.Message) *http.Request
}

// matrix is a world in which ann and zoe have a queued, a running and a finished job each, with a gateway.
type matrix struct {
	*world
	rows    map[string]row
	site    string // URL of the gateway
	last    string // the token that was made last
	running job.ID // ann's
	count   int
}

// jobsOf are the jobs of a user, by id.
type jobsOf struct{ queued, finished string }

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{world: newWorld(t)}
	m.running = m.world.running()
	m.rows = map[string]row{}
	m.site = m.gateway()
	m.jobRows(m.makeJobs("ann"), m.makeJobs("zoe"))
	m.tokenRows()
	m.adminRows()
	m.userRows()
	m.fileRows()
	return m
}

func (m *matrix) makeJobs(user string) jobsOf {
	ctx := m.as(user)
	queued, done := m.submit(ctx), m.submit(ctx)
	m.finish(done, jobsv1.State_STATE_COMPLETED, map[string]string{"output/t.tsv": "a\tb\n", "stdout": "hello\n"})
	return jobsOf{queued: queued.GetId(), finished: done.GetId()}
}

// gateway serves REST before the same services and answers its URL.
func (m *matrix) gateway() string {
	m.Helper()
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer(
		grpc.Creds(auth.MemoryCreds()), grpc.ForceServerCodecV2(api.Codec(nil)),
		grpc.UnaryInterceptor(layers.Unary(api.Errors(discard()), m.auth.Layer)),
		grpc.StreamInterceptor(layers.Stream(api.Errors(discard()), m.auth.Layer)),
	)
	m.register(g)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	must(m, err)
	handler, err := gateway.New(gateway.Config{Conn: conn, Caller: m.auth.CallerMetadata, Logger: discard()})
	must(m, err)
	site := httptest.NewServer(handler)
	m.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
		must(m, conn.Close())
		g.Stop()
		must(m, <-done)
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:errcheck,forcetypeassert // that is what it is
	})
	return site.URL
}

// jobRows are those of the JobService and the CatalogService.
func (m *matrix) jobRows(ann, zoe jobsOf) {
	byID := func(f func(j jobsOf) proto.Message) row {
		return row{own: func() proto.Message { return f(ann) }, foreign: func() proto.Message { return f(zoe) }}
	}
	byOwner := func(f func(owner string) proto.Message) row {
		return row{own: func() proto.Message { return f("") }, named: func() proto.Message { return f("zoe") }}
	}
	submitted := func(owner string) *jobsv1.Job {
		j := copyJob()
		j.Owner = owner
		return j
	}
	const why = "a test of the table"
	watch := byID(func(j jobsOf) proto.Message { return &jobsv1.WatchStatusRequest{Id: j.finished, UntilFinal: true} })
	watch.named = func() proto.Message { return &jobsv1.WatchStatusRequest{Owner: "zoe"} }
	batchGet := byID(func(j jobsOf) proto.Message { return &jobsv1.BatchGetRequest{Ids: []string{j.queued}} })
	batchGet.hides = func(r proto.Message) bool { return len(r.(*jobsv1.BatchGetResponse).GetMissingIds()) == 1 } //nolint:errcheck,forcetypeassert // of this method
	batchCancel := byID(func(j jobsOf) proto.Message { return &jobsv1.BatchCancelRequest{Ids: []string{j.queued}, Reason: why} })
	batchCancel.named = func() proto.Message {
		return &jobsv1.BatchCancelRequest{Owner: "zoe", Filter: `output_name = "none of these"`, Reason: why}
	}
	batchCancel.hides = func(r proto.Message) bool {
		results := r.(*jobsv1.BatchCancelResponse).GetResults()                                   //nolint:errcheck,forcetypeassert // of this method
		return len(results) == 1 && codes.Code(results[0].GetError().GetCode()) == codes.NotFound //nolint:gosec // a gRPC code
	}
	read := byID(func(j jobsOf) proto.Message { return &jobsv1.ReadResultRequest{Id: j.finished, Path: "t.tsv"} })
	read.rest = func(_ *testing.T, _ protoreflect.MethodDescriptor, req proto.Message) *http.Request {
		r := req.(*jobsv1.ReadResultRequest) //nolint:errcheck,forcetypeassert // of this method
		return httptest.NewRequest(http.MethodGet, "/v1/jobs/"+r.GetId()+"/results/"+r.GetPath(), nil)
	}
	share := byID(func(j jobsOf) proto.Message {
		return &jobsv1.ShareRequest{Id: j.finished, User: "bob", Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_HISTORY}, UnknownUser: true}
	})
	unshare := byID(func(j jobsOf) proto.Message { return &jobsv1.UnshareRequest{Id: j.finished, User: "bob"} })
	shares := byID(func(j jobsOf) proto.Message { return &jobsv1.ListSharesRequest{Id: j.finished} })
	report := byID(func(j jobsOf) proto.Message {
		return &jobsv1.ReportRequest{Id: j.queued, Event: jobsv1.JobEvent_JOB_EVENT_STARTED}
	})
	report.own = func() proto.Message {
		return &jobsv1.ReportRequest{Id: m.running.String(), Event: jobsv1.JobEvent_JOB_EVENT_STARTED}
	}
	summarize := byOwner(func(owner string) proto.Message { return &jobsv1.SummarizeRequest{Owner: owner} })
	summarize.foreign = func() proto.Message { return &jobsv1.SummarizeRequest{Ids: []string{zoe.finished}} }
	summarize.hides = func(r proto.Message) bool {
		total := r.(*jobsv1.SummarizeResponse).GetSummary().GetTotal() //nolint:errcheck,forcetypeassert // of this method
		return proto.Equal(total, &jobsv1.StateCounts{})
	}
	maps.Copy(m.rows, map[string]row{
		jobsv1.JobService_Submit_FullMethodName: byOwner(func(owner string) proto.Message {
			return &jobsv1.SubmitRequest{Job: submitted(owner), ValidateOnly: true, Reason: why}
		}),
		jobsv1.JobService_BatchSubmit_FullMethodName: byOwner(func(owner string) proto.Message {
			return &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{submitted(owner)}, ValidateOnly: true, Reason: why}
		}),
		jobsv1.JobService_Get_FullMethodName:         byID(func(j jobsOf) proto.Message { return &jobsv1.GetRequest{Id: j.queued} }),
		jobsv1.JobService_BatchGet_FullMethodName:    batchGet,
		jobsv1.JobService_List_FullMethodName:        byOwner(func(owner string) proto.Message { return &jobsv1.ListRequest{Owner: owner} }),
		jobsv1.JobService_WatchStatus_FullMethodName: watch,
		jobsv1.JobService_Summarize_FullMethodName:   summarize,
		jobsv1.JobService_Cancel_FullMethodName:      byID(func(j jobsOf) proto.Message { return &jobsv1.CancelRequest{Id: j.queued, Reason: why} }),
		jobsv1.JobService_BatchCancel_FullMethodName: batchCancel,
		jobsv1.JobService_Rerun_FullMethodName: byID(func(j jobsOf) proto.Message {
			return &jobsv1.RerunRequest{Id: j.finished, ValidateOnly: true, Reason: why}
		}),
		jobsv1.JobService_StreamLogs_FullMethodName: byID(func(j jobsOf) proto.Message {
			return &jobsv1.StreamLogsRequest{Id: j.finished, Stream: jobsv1.LogStream_LOG_STREAM_STDOUT}
		}),
		jobsv1.JobService_ListResults_FullMethodName: byID(func(j jobsOf) proto.Message { return &jobsv1.ListResultsRequest{Id: j.finished} }),
		jobsv1.JobService_ReadResult_FullMethodName:  read,
		jobsv1.JobService_ReportIssue_FullMethodName: byID(func(j jobsOf) proto.Message {
			return &jobsv1.ReportIssueRequest{Id: []string{j.finished, j.queued}[reports.Add(1)%2], Description: why}
		}),
		jobsv1.JobService_Share_FullMethodName:            share,
		jobsv1.JobService_Unshare_FullMethodName:          unshare,
		jobsv1.JobService_ListShares_FullMethodName:       shares,
		jobsv1.JobService_ListSharedWithMe_FullMethodName: {own: func() proto.Message { return &jobsv1.ListSharedWithMeRequest{} }},
		jobsv1.JobService_Report_FullMethodName:           report,
		catalogv1.CatalogService_List_FullMethodName:      {own: func() proto.Message { return &catalogv1.ListRequest{} }},
		jobsv1.JobService_Keep_FullMethodName:             byID(func(j jobsOf) proto.Message { return &jobsv1.KeepRequest{Id: j.finished} }),
		jobsv1.JobService_Unkeep_FullMethodName:           byID(func(j jobsOf) proto.Message { return &jobsv1.UnkeepRequest{Id: j.finished} }),
		catalogv1.CatalogService_Advise_FullMethodName: {own: func() proto.Message {
			return &catalogv1.AdviseRequest{Service: "Copy", Parameters: source("/in.txt")}
		}},
		catalogv1.CatalogService_Get_FullMethodName: {own: func() proto.Message { return &catalogv1.GetRequest{Id: "Copy"} }},
	})
}

// tokenRows are those about API tokens.
func (m *matrix) tokenRows() {
	made := func(user string) string {
		t, _, err := auth.NewTokens(m.store, m.auth).Create(m.Context(), auth.Grant{User: user})
		must(m, err)
		m.last = t.GetId()
		return t.GetId()
	}
	tidy := func() { // a user may have a hundred only
		if m.last != "" {
			_ = auth.NewTokens(m.store, m.auth).Revoke(m.Context(), m.last, "") // most are revoked by now
		}
	}
	revoke := func(user string) func() proto.Message {
		return func() proto.Message { tidy(); return &authv1.RevokeTokenRequest{Id: made(user)} }
	}
	m.rows[authv1.TokenService_CreateToken_FullMethodName] = row{
		own:   func() proto.Message { return &authv1.CreateTokenRequest{} },
		named: func() proto.Message { return &authv1.CreateTokenRequest{User: "zoe"} },
	}
	m.rows[authv1.TokenService_ListTokens_FullMethodName] = row{
		own:   func() proto.Message { return &authv1.ListTokensRequest{} },
		named: func() proto.Message { return &authv1.ListTokensRequest{User: "zoe"} },
	}
	m.rows[authv1.TokenService_RevokeToken_FullMethodName] = row{own: revoke("ann"), foreign: revoke("zoe")}
}

// userRows are those about sessions and users.
func (m *matrix) userRows() {
	const why = "a test of the table"
	session := func(user string) func() proto.Message {
		return func() proto.Message {
			_, err := m.sessions.Begin(m.Context(), auth.Beginning{User: user})
			must(m, err)
			all, err := m.sessions.List(user)
			must(m, err)
			return &authv1.RevokeSessionRequest{Id: all[0].GetId()}
		}
	}
	disabled := func(user string) { // somebody who calls nothing in this test
		_, err := auth.NewUsers(m.store, m.auth).Disable(m.Context(), user, "root", why)
		must(m, err)
	}
	for name, req := range map[string]func() proto.Message{
		adminv1.UserService_ListUsers_FullMethodName:   func() proto.Message { return &adminv1.ListUsersRequest{} },
		adminv1.UserService_GetUser_FullMethodName:     func() proto.Message { return &adminv1.GetUserRequest{User: "zoe"} },
		adminv1.UserService_DisableUser_FullMethodName: func() proto.Message { return &adminv1.DisableUserRequest{User: "gone", Reason: why} },
		adminv1.UserService_EnableUser_FullMethodName: func() proto.Message {
			disabled("gone")
			return &adminv1.EnableUserRequest{User: "gone"}
		},
		adminv1.UserService_EraseUser_FullMethodName: func() proto.Message {
			disabled("gone")
			return &adminv1.EraseUserRequest{User: "gone", ConfirmUser: "gone", Reason: why}
		},
	} {
		m.rows[name] = row{own: req}
	}
	m.rows[authv1.SessionService_RevokeSession_FullMethodName] = row{own: session("ann"), foreign: session("zoe")}
	m.rows[authv1.SessionService_ListSessions_FullMethodName] = row{
		own:   func() proto.Message { return &authv1.ListSessionsRequest{} },
		named: func() proto.Message { return &authv1.ListSessionsRequest{User: "zoe"} },
	}
	m.rows[authv1.SessionService_SignOutEverywhere_FullMethodName] = row{
		own:   func() proto.Message { return &authv1.SignOutEverywhereRequest{} },
		named: func() proto.Message { return &authv1.SignOutEverywhereRequest{User: "zoe"} },
	}
}

// adminRows are those of the rest of the AdminService, and of the AuthService.
func (m *matrix) adminRows() {
	for name, req := range map[string]proto.Message{
		adminv1.StatusService_GetServerStatus_FullMethodName: &adminv1.GetServerStatusRequest{},
		adminv1.AdminService_SetSubmissions_FullMethodName:   &adminv1.SetSubmissionsRequest{Open: true},
		adminv1.AdminService_Backup_FullMethodName:           &adminv1.BackupRequest{},
		adminv1.AdminService_ListIssues_FullMethodName:       &adminv1.ListIssuesRequest{},
		adminv1.AdminService_Diagnose_FullMethodName:         &adminv1.DiagnoseRequest{},
		adminv1.AdminService_ListOrphans_FullMethodName:      &adminv1.ListOrphansRequest{},
		adminv1.AdminService_CancelOrphan_FullMethodName:     &adminv1.CancelOrphanRequest{Executor: "local", EngineId: "7"},
		adminv1.QueueService_ListQueue_FullMethodName:        &adminv1.ListQueueRequest{},
		adminv1.AdminService_ListAudit_FullMethodName:        &adminv1.ListAuditRequest{},
		authv1.AuthService_WhoAmI_FullMethodName:             &authv1.WhoAmIRequest{},
		authv1.AuthService_GetSignInOptions_FullMethodName:   &authv1.GetSignInOptionsRequest{},
	} {
		m.rows[name] = row{own: func() proto.Message { return req }}
	}
	m.rows[adminv1.AdminService_DeleteIssue_FullMethodName] = row{own: func() proto.Message {
		n := reports.Add(1)
		id, err := m.store.AddIssue(m.Context(), job.ID(1_000_000+n), &storev1.Issue{Reporter: fmt.Sprint("reporter", n)}) //nolint:gosec // small
		must(m, err)
		return &adminv1.DeleteIssueRequest{Id: id.String()}
	}}
}

// reports takes turns between jobs, because so many problems may be reported about one.
var reports atomic.Int64

// fileRows are those of the WorkspaceService, which reaches nobody else's files.
func (m *matrix) fileRows() {
	ann := m.as("ann")
	next := func() string { m.count++; return fmt.Sprintf("/f%d.txt", m.count) }
	atPath := func(method string, path func(proto.Message) string) func(*testing.T, protoreflect.MethodDescriptor, proto.Message) *http.Request {
		return func(_ *testing.T, _ protoreflect.MethodDescriptor, req proto.Message) *http.Request {
			return httptest.NewRequest(method, "/v1/workspace"+path(req), strings.NewReader("x"))
		}
	}
	m.rows[workspacev1.WorkspaceService_Upload_FullMethodName] = row{
		own: func() proto.Message {
			return &workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: next()}}}
		},
		rest: atPath(http.MethodPut, func(r proto.Message) string { return r.(*workspacev1.UploadRequest).GetTarget().GetPath() }), //nolint:errcheck,forcetypeassert // of this method
	}
	m.rows[workspacev1.WorkspaceService_List_FullMethodName] = row{own: func() proto.Message { return &workspacev1.ListRequest{} }}
	m.rows[workspacev1.WorkspaceService_GetUsage_FullMethodName] = row{own: func() proto.Message { return &workspacev1.GetUsageRequest{} }}
	m.rows[workspacev1.WorkspaceService_Download_FullMethodName] = row{
		own:  func() proto.Message { return &workspacev1.DownloadRequest{Path: "/in.txt"} },
		rest: atPath(http.MethodGet, func(r proto.Message) string { return r.(*workspacev1.DownloadRequest).GetPath() }), //nolint:errcheck,forcetypeassert // of this method
	}
	m.rows[workspacev1.WorkspaceService_Delete_FullMethodName] = row{
		own: func() proto.Message {
			path := next()
			must(m, m.upload(ann, path, "x"))
			return &workspacev1.DeleteRequest{Path: path}
		},
	}
	m.entryRows(next)
	m.uploadRows(next)
}

// entryRows are those of single files and folders.
func (m *matrix) entryRows(next func() string) {
	ann := m.as("ann")
	m.rows[workspacev1.WorkspaceService_Stat_FullMethodName] = row{own: func() proto.Message { return &workspacev1.StatRequest{Path: "/in.txt"} }}
	m.rows[workspacev1.WorkspaceService_MakeFolder_FullMethodName] = row{own: func() proto.Message { return &workspacev1.MakeFolderRequest{Path: next()} }}
	m.rows[workspacev1.WorkspaceService_Move_FullMethodName] = row{
		own: func() proto.Message {
			path := next()
			must(m, m.upload(ann, path, "x"))
			return &workspacev1.MoveRequest{Path: path, To: next()}
		},
	}
	m.rows[workspacev1.WorkspaceService_Copy_FullMethodName] = row{own: func() proto.Message { return &workspacev1.CopyRequest{Path: "/in.txt", To: next()} }}
}

// uploadRows are those of uploads that can be continued.
func (m *matrix) uploadRows(next func() string) {
	upload := func(user string) string {
		res, err := m.space().CreateUpload(m.as(user), &workspacev1.CreateUploadRequest{Path: next(), SizeBytes: new(int64)})
		must(m, err)
		return res.GetUpload().GetId()
	}
	m.rows[workspacev1.WorkspaceService_CreateUpload_FullMethodName] = row{own: func() proto.Message { return &workspacev1.CreateUploadRequest{Path: next()} }}
	m.rows[workspacev1.WorkspaceService_ListUploads_FullMethodName] = row{own: func() proto.Message { return &workspacev1.ListUploadsRequest{} }}
	part := func(user string) func() proto.Message {
		return func() proto.Message {
			return &workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Part{Part: &workspacev1.UploadPart{Id: upload(user)}}}
		}
	}
	m.rows[workspacev1.WorkspaceService_AppendUpload_FullMethodName] = row{
		own: part("ann"), foreign: part("zoe"),
		rest: func(_ *testing.T, _ protoreflect.MethodDescriptor, req proto.Message) *http.Request {
			r := httptest.NewRequest(http.MethodPatch, "/v1/uploads/"+req.(*workspacev1.AppendUploadRequest).GetPart().GetId(), http.NoBody) //nolint:errcheck,forcetypeassert // of this method
			r.Header = http.Header{"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {"0"}, "Content-Type": {"application/offset+octet-stream"}}
			return r
		},
	}
	ids := map[string]string{"ann": upload("ann"), "zoe": upload("zoe")}
	get := func(user string) func() proto.Message {
		return func() proto.Message { return &workspacev1.GetUploadRequest{Id: ids[user]} }
	}
	m.rows[workspacev1.WorkspaceService_GetUpload_FullMethodName] = row{own: get("ann"), foreign: get("zoe")}
	end := func(user string) func() proto.Message {
		return func() proto.Message { return &workspacev1.EndUploadRequest{Id: upload(user)} }
	}
	m.rows[workspacev1.WorkspaceService_EndUpload_FullMethodName] = row{own: end("ann"), foreign: end("zoe")}
}

var inPath = regexp.MustCompile(`\{([a-z_]+)(=\*\*)?\}`)

// transcode is the request that the contract's annotation makes of a message; nil where there is none.
func transcode(t *testing.T, method protoreflect.MethodDescriptor, req proto.Message) *http.Request {
	t.Helper()
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	verb, path := http.MethodGet, rule.GetGet()
	switch {
	case rule.GetPost() != "":
		verb, path = http.MethodPost, rule.GetPost()
	case rule.GetDelete() != "":
		verb, path = http.MethodDelete, rule.GetDelete()
	}
	rest := proto.Clone(req).ProtoReflect()
	path = inPath.ReplaceAllStringFunc(path, func(field string) string {
		f := rest.Descriptor().Fields().ByName(protoreflect.Name(inPath.FindStringSubmatch(field)[1]))
		v := rest.Get(f)
		rest.Clear(f)
		if f.Enum() != nil {
			return string(f.Enum().Values().ByNumber(v.Enum()).Name())
		}
		return strings.TrimPrefix(v.String(), "/")
	})
	if rule.GetBody() == "*" {
		body, err := protojson.Marshal(rest.Interface())
		must(t, err)
		r := httptest.NewRequest(verb, path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	query := url.Values{}
	rest.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.IsList() {
			for i := range v.List().Len() {
				query.Add(f.JSONName(), v.List().Get(i).String())
			}
		} else {
			query.Set(f.JSONName(), v.String())
		}
		return true
	})
	return httptest.NewRequest(verb, path+"?"+query.Encode(), nil)
}
