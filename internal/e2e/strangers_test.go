package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// cost is what one call may cost the server.
type cost struct {
	cpu    time.Duration
	memory float64 // MB, at the highest
}

var (
	// ofStranger is for a call that is refused by its headers, whatever it brings: row 23 of the targets.
	ofStranger = cost{time.Millisecond, 1}
	// ofUser is for calls that take 64 KiB.
	ofUser = cost{15 * time.Millisecond, 32}
	// ofJobs is for those that take jobs.
	ofJobs = cost{400 * time.Millisecond, 128}
)

// callsOfUsers is what each call may cost with the largest message and with the most elements that a user can send. Streams
// are open for long and are measured by what they read.
var callsOfUsers = map[string]cost{
	"/stint.jobs.v1.JobService/Submit":           ofJobs,
	"/stint.jobs.v1.JobService/BatchSubmit":      ofJobs,
	"/stint.jobs.v1.JobService/Rerun":            ofJobs,
	"/stint.jobs.v1.JobService/Get":              ofUser,
	"/stint.jobs.v1.JobService/BatchGet":         ofUser,
	"/stint.jobs.v1.JobService/List":             ofUser,
	"/stint.jobs.v1.JobService/WatchStatus":      ofUser,
	"/stint.jobs.v1.JobService/Summarize":        ofUser,
	"/stint.jobs.v1.JobService/Cancel":           ofUser,
	"/stint.jobs.v1.JobService/BatchCancel":      ofUser,
	"/stint.jobs.v1.JobService/StreamLogs":       ofUser,
	"/stint.jobs.v1.JobService/ListResults":      ofUser,
	"/stint.jobs.v1.JobService/ReadResult":       ofUser,
	"/stint.jobs.v1.JobService/ReportIssue":      ofUser,
	"/stint.jobs.v1.JobService/Share":            ofUser,
	"/stint.jobs.v1.JobService/Unshare":          ofUser,
	"/stint.jobs.v1.JobService/ListShares":       ofUser,
	"/stint.jobs.v1.JobService/ListSharedWithMe": ofUser,
	"/stint.jobs.v1.JobService/Report":           ofUser,
	"/stint.jobs.v1.JobService/Keep":             ofUser,
	"/stint.jobs.v1.JobService/Unkeep":           ofUser,

	"/stint.catalog.v1.CatalogService/List":   ofUser,
	"/stint.catalog.v1.CatalogService/Get":    ofUser,
	"/stint.catalog.v1.CatalogService/Advise": ofUser,

	"/stint.workspace.v1.WorkspaceService/Upload":   {60 * time.Millisecond, 64},
	"/stint.workspace.v1.WorkspaceService/List":     ofUser,
	"/stint.workspace.v1.WorkspaceService/Download": ofUser,
	"/stint.workspace.v1.WorkspaceService/Delete":   ofUser,
	"/stint.workspace.v1.WorkspaceService/GetUsage": ofUser,

	"/stint.workspace.v1.WorkspaceService/Stat":         ofUser,
	"/stint.workspace.v1.WorkspaceService/MakeFolder":   ofUser,
	"/stint.workspace.v1.WorkspaceService/Move":         ofUser,
	"/stint.workspace.v1.WorkspaceService/Copy":         ofUser,
	"/stint.workspace.v1.WorkspaceService/CreateUpload": ofUser,
	"/stint.workspace.v1.WorkspaceService/AppendUpload": {60 * time.Millisecond, 64},
	"/stint.workspace.v1.WorkspaceService/GetUpload":    ofUser,
	"/stint.workspace.v1.WorkspaceService/ListUploads":  ofUser,
	"/stint.workspace.v1.WorkspaceService/EndUpload":    ofUser,

	"/stint.auth.v1.AuthService/GetSignInOptions": ofUser,
	"/stint.auth.v1.AuthService/WhoAmI":           ofUser,
	"/stint.auth.v1.TokenService/CreateToken":     ofUser,
	"/stint.auth.v1.TokenService/ListTokens":      ofUser,
	"/stint.auth.v1.TokenService/RevokeToken":     ofUser,

	"/stint.auth.v1.SessionService/ListSessions":      ofUser,
	"/stint.auth.v1.SessionService/RevokeSession":     ofUser,
	"/stint.auth.v1.SessionService/SignOutEverywhere": ofUser,

	"/stint.admin.v1.UserService/ListUsers":   ofUser,
	"/stint.admin.v1.UserService/GetUser":     ofUser,
	"/stint.admin.v1.UserService/DisableUser": ofUser,
	"/stint.admin.v1.UserService/EnableUser":  ofUser,
	"/stint.admin.v1.UserService/EraseUser":   ofUser,

	"/stint.admin.v1.StatusService/GetServerStatus": ofUser,
	"/stint.admin.v1.AdminService/SetSubmissions":   ofUser,
	"/stint.admin.v1.AdminService/Backup":           ofUser,
	"/stint.admin.v1.AdminService/ListIssues":       ofUser,
	"/stint.admin.v1.AdminService/DeleteIssue":      ofUser,
	"/stint.admin.v1.AdminService/ListOrphans":      ofUser,
	"/stint.admin.v1.AdminService/CancelOrphan":     ofUser,
	"/stint.admin.v1.AdminService/ListAudit":        ofUser,
	"/stint.admin.v1.AdminService/Diagnose":         ofUser,
	"/stint.admin.v1.QueueService/ListQueue":        ofUser,

	"/grpc.health.v1.Health/Check":                                   ofUser,
	"/grpc.health.v1.Health/Watch":                                   ofUser,
	"/grpc.health.v1.Health/List":                                    ofUser,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      ofUser,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ofUser,
}

// contract is all services of the contract.
var contract = []protoreflect.FileDescriptor{
	jobsv1.File_stint_jobs_v1_job_service_proto, catalogv1.File_stint_catalog_v1_catalog_service_proto,
	workspacev1.File_stint_workspace_v1_workspace_service_proto, adminv1.File_stint_admin_v1_admin_service_proto,
	adminv1.File_stint_admin_v1_queue_service_proto, adminv1.File_stint_admin_v1_status_service_proto,
	authv1.File_stint_auth_v1_auth_service_proto, authv1.File_stint_auth_v1_token_service_proto,
	authv1.File_stint_auth_v1_session_service_proto, adminv1.File_stint_admin_v1_user_service_proto,
	healthpb.File_grpc_health_v1_health_proto, reflectionpb.File_grpc_reflection_v1_reflection_proto,
}

// methods are all calls of the contract by their full names.
func methods() map[string]protoreflect.MethodDescriptor {
	all := make(map[string]protoreflect.MethodDescriptor)
	for _, file := range contract {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				all[fmt.Sprintf("/%s/%s", service.FullName(), m.Name())] = m
			}
		}
	}
	return all
}

// largest is a message of 4 MiB for a call, in one field that it does not know.
func largest() []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, 4<<20-16))
}

// mostElements is a message of so many bytes with as many elements as fit, in a list where it has one.
func mostElements(m protoreflect.MessageDescriptor, size int) []byte {
	number := protowire.Number(100)
	kind, value := protowire.VarintType, []byte{1}
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); f.IsList() && (f.Message() != nil || f.Kind() == protoreflect.StringKind) {
			number, kind, value = f.Number(), protowire.BytesType, []byte{0}
		}
	}
	one := append(protowire.AppendTag(nil, number, kind), value...)
	return bytes.Repeat(one, size/len(one))
}

// used is the processor time of the server so far, of all its threads, as the kernel counts it in nanoseconds.
func (s *server) used() time.Duration {
	s.Helper()
	threads, err := os.ReadDir(s.proc("task"))
	if err != nil {
		s.Fatal(err)
	}
	var used time.Duration
	for _, thread := range threads {
		b, err := os.ReadFile(s.proc(filepath.Join("task", thread.Name(), "schedstat")))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended; Go ends hardly any
		}
		if err != nil {
			s.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			s.Fatal(err)
		}
		used += time.Duration(n)
	}
	return used
}

// highest is the most memory that the server had since the last call, in MB.
func (s *server) highest() float64 {
	s.Helper()
	b, err := os.ReadFile(s.proc("status"))
	if err != nil {
		s.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(s.proc("clear_refs"), []byte("5"), 0); err != nil { // proc(5): resets the peak
		s.Fatal(err)
	}
	return kb / 1024
}

func (s *server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}

// settle gives memory that is garbage back to the system.
func (h *hostile) settle() float64 {
	h.Helper()
	client := &http.Client{Transport: unixTransport(filepath.Join(h.data, "state", "debug.sock"))}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://stintd/debug/free", "", nil)
	if err != nil {
		h.Fatal(err)
	}
	_ = resp.Body.Close()
	h.highest()
	return h.highest()
}

// within reports whether a cost is no more than another one.
func (c cost) within(may cost) bool { return c.cpu <= may.cpu && c.memory <= may.memory }

// each is what call costs the server: the memory of one alone, and the processor time of the mean of n. What is more than it may be is
// measured again, for the server does other things, too.
func (h *hostile) each(n int, may cost, call func()) cost {
	h.Helper()
	one := func() cost {
		memory := h.measured(1, call).memory
		got := h.measured(n, func() {
			for range n {
				call()
			}
		})
		return cost{got.cpu, memory}
	}
	got := one()
	for range 3 {
		if got.within(may) {
			break
		}
		again := one()
		got = cost{min(got.cpu, again.cpu), min(got.memory, again.memory)}
	}
	return got
}

// measured is what f costs the server, once for each of n times that it does the same.
func (h *hostile) measured(n int, f func()) cost {
	h.Helper()
	before := h.settle()
	cpu := h.used()
	f()
	return cost{(h.used() - cpu) / time.Duration(n), h.highest() - before}
}

// invoke makes a call with a message as it is and returns how it ended. Streams are read until their first answer.
func (h *hostile) invoke(ctx context.Context, method string, m protoreflect.MethodDescriptor, message []byte) codes.Code {
	h.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var out []byte
	stream, err := h.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: m.IsStreamingServer()}, method, grpc.ForceCodec(bytesCodec{}))
	if err == nil {
		if err = stream.SendMsg(message); err == nil || err == io.EOF { //nolint:errorlint // gRPC returns io.EOF itself
			_ = stream.CloseSend()
			err = stream.RecvMsg(&out)
		}
	}
	return status.Code(err)
}

// TestWhatCallsCost drives every call and every route without a credential, with one that has expired, and as a user.
func TestWhatCallsCost(t *testing.T) {
	repeats, userRepeats := 10, 4
	if os.Getenv("STINT_TEST_LONG") != "" {
		repeats, userRepeats = 100, 100
	}
	h := newHostile(t, "--max-requests-per-user", "0", "--max-streams-per-user", "0", "--log-level", "error")
	h.unslowed(t)
	expired := h.expired(t)
	all := methods()
	for method := range all {
		if _, ok := callsOfUsers[method]; !ok {
			t.Errorf("%s: no row says what it may cost", method)
		}
	}
	for name, ctx := range map[string]context.Context{
		"without a credential": h.Context(),
		"with an expired one":  metadata.AppendToOutgoingContext(h.Context(), "authorization", "Bearer "+expired),
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range slices.Sorted(maps.Keys(all)) {
				if open(method) {
					continue
				}
				h.strangers(ctx, t, method, all[method], repeats)
			}
		})
	}
	for name, media := range protocolsOverHTTP {
		t.Run(name, func(t *testing.T) { h.strangersOverHTTP(t, media, expired, repeats) })
		t.Run(name+" as a user", func(t *testing.T) { h.usersOverHTTP(t, media, userRepeats/4) })
	}
	t.Run("as a user", func(t *testing.T) {
		for _, method := range slices.Sorted(maps.Keys(all)) {
			h.users(t, method, all[method], callsOfUsers[method], userRepeats)
		}
	})
	for name, header := range map[string]string{"without a credential": "", "with an expired one": "Bearer " + expired, "as a user": "Bearer " + h.token["ann"]} {
		t.Run("REST "+name, func(t *testing.T) { h.routes(t, header, repeats, name == "as a user") })
	}
	slices.Sort(h.refused)
	t.Logf("half of the refused calls cost %s or more, the dearest %s", h.refused[len(h.refused)/2], h.refused[len(h.refused)-1])
	h.well(t)
}

// expired is a token that was good and is not any more.
func (h *hostile) expired(t *testing.T) string {
	t.Helper()
	at := time.Now().Add(time.Second)
	resp, err := authv1.NewTokenServiceClient(h.conn).CreateToken(h.as("ann"), &authv1.CreateTokenRequest{ExpireTime: timestamppb.New(at)})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(at.Add(10 * time.Millisecond)))
	return resp.GetSecret()
}

// open reports whether a call is everybody's.
func open(method string) bool {
	return strings.HasPrefix(method, "/grpc.") || method == authv1.AuthService_GetSignInOptions_FullMethodName
}

func (h *hostile) strangers(ctx context.Context, t *testing.T, method string, m protoreflect.MethodDescriptor, repeats int) {
	t.Helper()
	for what, message := range map[string][]byte{"largest": largest(), "most elements": mostElements(m.Input(), 4<<20-16)} {
		got := h.each(repeats, ofStranger, func() {
			code := h.invoke(ctx, method, m, message)
			if code == codes.Unavailable { // a connection on which so much was refused is closed in the end
				code = h.invoke(ctx, method, m, message)
			}
			if code != codes.Unauthenticated {
				t.Errorf("%s: %v", method, code)
			}
		})
		h.refused = append(h.refused, got.cpu)
		if t.Logf("%s, %s: %s, %.1f MB", method, what, got.cpu, got.memory); !got.within(ofStranger) {
			t.Errorf("%s, %s: costs %s and %.1f MB, may cost %s and %.0f MB", method, what, got.cpu, got.memory, ofStranger.cpu, ofStranger.memory)
		}
	}
}

// strangersOverHTTP makes every call over connections that net/http has, in the protocol of a content
// type, without a credential and with one that has expired, by turns.
func (h *hostile) strangersOverHTTP(t *testing.T, media, expired string, repeats int) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer client.CloseIdleConnections()
	text := enveloped(media, largest())
	ends := make(map[string]int)
	for _, method := range slices.Sorted(maps.Keys(methods())) {
		if open(method) {
			continue
		}
		n := 0
		got := h.each(repeats, ofStranger, func() {
			c := routeCall{path: method, body: text}
			if n++; n%2 == 1 {
				c.authorization = "Bearer " + expired
			}
			status, code := h.overHTTP(t, client, c, media)
			if ends[status+" "+code]++; code == "0" || strings.HasPrefix(status, "200") && !strings.Contains(media, "+") {
				t.Errorf("%s: was taken", method)
			}
		})
		h.refused = append(h.refused, got.cpu)
		if t.Logf("%s: %s, %.2f MB", method, got.cpu, got.memory); !got.within(ofStranger) {
			t.Errorf("%s: costs %s and %.2f MB, may cost %s and %.0f MB", method, got.cpu, got.memory, ofStranger.cpu, ofStranger.memory)
		}
	}
	t.Logf("they ended as %v", ends)
}

func (h *hostile) users(t *testing.T, method string, m protoreflect.MethodDescriptor, may cost, repeats int) {
	t.Helper()
	for what, message := range map[string][]byte{
		"largest": largest(), "most elements": mostElements(m.Input(), 4<<20-16),
		"a thousand elements": mostElements(m.Input(), 2000), "64 KiB of elements": mostElements(m.Input(), 64<<10),
	} {
		got := h.each(repeats, may, func() {
			if code := h.invoke(h.as("ann"), method, m, message); len(message) > 1<<20 && code == codes.OK {
				t.Errorf("%s, %s: was taken", method, what)
			}
		})
		if t.Logf("%s, %s: %s, %.1f MB", method, what, got.cpu, got.memory); !got.within(may) {
			t.Errorf("%s, %s: costs %s and %.1f MB, may cost %s and %.0f MB", method, what, got.cpu, got.memory, may.cpu, may.memory)
		}
	}
}

// routes sends the body with the most elements to every route that REST has.
func (h *hostile) routes(t *testing.T, header string, repeats int, known bool) {
	t.Helper()
	elements := []byte(`{"jobs":[` + strings.Repeat("{},", 1_398_000) + `{"x":1}]}`)
	for _, route := range otherRoutes {
		verb, path, _ := strings.Cut(route, " ")
		may := ofStranger
		if known {
			may = ofUser
		}
		h.route(t, routeCall{verb, path, header, elements}, repeats, may)
	}
	for _, method := range slices.Sorted(maps.Keys(methods())) {
		rule, _ := proto.GetExtension(methods()[method].Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, b := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			verb, path := verbAndPath(b)
			if path == "" || open(method) {
				continue
			}
			may := ofStranger
			if known {
				may = ofJobs
			}
			path = strings.NewReplacer("{id}", "1", "{path=**}", "x", "{user}", "bob").Replace(path)
			if code := h.route(t, routeCall{verb, path, header, elements}, repeats, may); !known && code != http.StatusUnauthorized && code != 0 {
				t.Errorf("%s %s: %d", verb, path, code)
			}
		}
	}
}

// otherRoutes are those that no RPC is behind alone.
var otherRoutes = []string{
	"POST /", "POST /healthz", "GET /healthz", "POST /metrics", "POST /openapi.json", "POST /auth/login", "POST /services/x", "POST /v1/nothing",
	"POST /v1/workspace/x", "GET /v1/workspace/x", "GET /v1/jobs/1/results/x", "GET /v1/jobs/1/results.zip",
	"POST /stint.jobs.v1.JobService/BatchSubmit",
}

// routeCall is a request for a route.
type routeCall struct {
	verb, path, authorization string
	body                      []byte
}

// route measures what a request costs and returns the status of its last answer.
func (h *hostile) route(t *testing.T, c routeCall, repeats int, may cost) (code int) {
	t.Helper()
	got := h.each(repeats, may, func() { code = h.raw(t, c) })
	if code == http.StatusUnauthorized {
		h.refused = append(h.refused, got.cpu)
	}
	if t.Logf("%s %s: %d, %s, %.2f MB", c.verb, c.path, code, got.cpu, got.memory); !got.within(may) {
		t.Errorf("%s %s: costs %s and %.1f MB, may cost %s and %.0f MB", c.verb, c.path, got.cpu, got.memory, may.cpu, may.memory)
	}
	return code
}
