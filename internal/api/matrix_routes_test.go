package api_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
)

// Whatever the requests of a method can address must have a column in the matrix, so that no cell is left out.
func TestTheMatrixHasEveryColumn(t *testing.T) {
	m := newMatrix(t)
	// What these name is no thing of a user's.
	public := map[string]bool{catalogv1.CatalogService_Get_FullMethodName: true, adminv1.AdminService_DeleteIssue_FullMethodName: true}
	found := 0
	for name, method := range contractMethods() {
		fields := method.Input().Fields()
		has := func(names ...protoreflect.Name) bool {
			return slices.ContainsFunc(names, func(n protoreflect.Name) bool { return fields.ByName(n) != nil })
		}
		row := m.rows[name]
		if has("id", "ids") && !public[name] {
			found++
			if row.foreign == nil {
				t.Errorf("%s addresses things by id, and is not called for another's", name)
			}
		}
		if has("owner", "job", "jobs") {
			found++
			if row.named == nil {
				t.Errorf("%s names an owner, and is not called for another", name)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d methods address anything", found)
	}
}

// route is a way to a method over REST that the first annotation of the contract does not say. The path has a %, and behind a blank
// it may have a body.
type route struct {
	method, path string
	header       [2]string
	call         string // the method whose row holds for it
}

// routes are all ways to jobs that the matrix itself does not take.
var routes = []route{
	{"GET", "/v1/jobs/%:watch?untilFinal=true", [2]string{}, jobsv1.JobService_WatchStatus_FullMethodName},
	{"GET", "/v1/jobs/%:watch?untilFinal=true", [2]string{"Accept", "text/event-stream"}, jobsv1.JobService_WatchStatus_FullMethodName},
	{"GET", "/v1/jobs:watch?untilFinal=true&ids=%", [2]string{"Accept", "text/event-stream"}, jobsv1.JobService_WatchStatus_FullMethodName},
	{"POST", `/v1/jobs:watch {"untilFinal":true,"ids":["%"]}`, [2]string{"Content-Type", "application/json"}, jobsv1.JobService_WatchStatus_FullMethodName},
	{"POST", `/v1/jobs:batchGet {"ids":["%"]}`, [2]string{"Content-Type", "application/json"}, jobsv1.JobService_BatchGet_FullMethodName},
	{"POST", `/v1/jobs:summarize {"ids":["%"]}`, [2]string{"Content-Type", "application/json"}, jobsv1.JobService_Summarize_FullMethodName},
	{"GET", "/v1/jobs/%/shares", [2]string{}, jobsv1.JobService_ListShares_FullMethodName},
	{"GET", "/v1/jobs/%/logs/stdout", [2]string{"Accept", "text/event-stream"}, jobsv1.JobService_StreamLogs_FullMethodName},
	{"GET", "/v1/jobs/%/logs/stdout?follow=true", [2]string{"Accept", "text/plain"}, jobsv1.JobService_StreamLogs_FullMethodName},
	{"GET", "/v1/jobs/%/logs/stderr?download=true", [2]string{}, jobsv1.JobService_StreamLogs_FullMethodName},
	{"GET", "/v1/jobs/%/results.zip", [2]string{}, jobsv1.JobService_ReadResult_FullMethodName},
	{"HEAD", "/v1/jobs/%", [2]string{}, jobsv1.JobService_Get_FullMethodName},
	{"HEAD", "/v1/jobs/%/results.zip", [2]string{}, jobsv1.JobService_ReadResult_FullMethodName},
	{"HEAD", "/v1/jobs/%/results/t.tsv", [2]string{}, jobsv1.JobService_ReadResult_FullMethodName},
	{"GET", "/v1/jobs/%/results/t.tsv?download=true", [2]string{"Range", "bytes=0-1"}, jobsv1.JobService_ReadResult_FullMethodName},
	{"GET", "/v1/jobs/%/results/t.tsv", [2]string{"If-None-Match", `"another"`}, jobsv1.JobService_ReadResult_FullMethodName},
}

// Streams of events, downloads, ranges and archives are open to whom their calls are, and to nobody else.
func TestEveryRouteIsOpenToWhomItsCallIs(t *testing.T) {
	m := newMatrix(t)
	finished := func(user string) string {
		list, err := m.jobs().List(m.as(user), &jobsv1.ListRequest{Filter: "state = COMPLETED"})
		must(t, err)
		return list.GetJobs()[0].GetId()
	}
	own, foreign := finished("ann"), finished("zoe")
	people := m.persons()
	for _, r := range routes {
		for _, p := range people {
			m.route(t, r, own, p, p.expected(r.call, auth.Own))
			m.route(t, r, foreign, p, p.expected(r.call, auth.Foreign))
		}
	}
	for _, right := range []jobsv1.ShareRight{history, logs, results, rerun} {
		guest := m.guest("guest-"+right.String(), right)
		for _, r := range routes {
			want := guest.expected(r.call, auth.Foreign)
			if need := auth.SharedBy(r.call); need == right || need == history {
				want = allowed
			}
			m.route(t, r, foreign, guest, want)
		}
	}
}

// route asks for one thing at one route.
func (m *matrix) route(t *testing.T, r route, id string, p person, want outcome) {
	t.Helper()
	path, content, _ := strings.Cut(strings.ReplaceAll(r.path, "%", id), " ")
	t.Run(strings.Join([]string{r.method, path, r.header[0], "by", p.name}, " "), func(t *testing.T) {
		req := httptest.NewRequestWithContext(t.Context(), r.method, path, strings.NewReader(content))
		if r.header[0] != "" {
			req.Header.Set(r.header[0], r.header[1])
		}
		code, body := m.overREST(t, req, p)
		got := outcomeOf(t, code, errors.New(body))
		if hides := m.rows[r.call].hides; got == allowed && hides != nil {
			resp := newMessage(contractMethods()[r.call].Output())
			must(t, protojson.Unmarshal([]byte(body), resp))
			if hides(resp) {
				got = hidden
			}
		}
		if got != want {
			t.Errorf("%s, want %s: %s", got, want, body)
		}
	})
}

// The contract has no binding that neither the matrix nor the routes take.
func TestEveryBindingIsTaken(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(contractMethods())) {
		rule, ok := proto.GetExtension(contractMethods()[name].Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok {
			continue
		}
		for _, more := range rule.GetAdditionalBindings() {
			method, path := http.MethodGet, more.GetGet()
			if path == "" {
				method, path = http.MethodPost, more.GetPost()
			}
			path = strings.ReplaceAll(path, "{id}", "%")
			if path == "" || !slices.ContainsFunc(routes, func(r route) bool {
				before, _, _ := strings.Cut(r.path, "?")
				before, _, _ = strings.Cut(before, " ")
				return r.method == method && r.call == name && before == path
			}) {
				t.Errorf("%s has the binding %v, which is not called", name, more)
			}
		}
	}
}
