package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stint-jobs/stint/internal/auth"
)

// The whole table of roles and ownership is executed here, over gRPC and over
// REST: every method by everybody on everything, and the outcome compared with what
// auth.Allow says. A method of the contract that has no row in matrix_rows_test.go fails the test.

// person is one who calls.
type person struct {
	name      string
	principal auth.Principal // as the table sees them
	header    metadata.MD    // what they send
}

// persons are one of each kind. Each has the user ann, but for the job's own command and nobody.
func (m *matrix) persons() []person {
	bearer := func(g auth.Grant) metadata.MD {
		_, text, err := auth.NewTokens(m.store, m.auth).Create(m.Context(), g)
		must(m, err)
		return metadata.Pairs("authorization", "Bearer "+text)
	}
	all := []person{}
	for _, role := range []auth.Role{auth.RoleUser, auth.RoleOperator, auth.RoleAuditor, auth.RoleService} {
		p := auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser, role}}
		all = append(all, person{string(role), p, bearer(auth.Grant{User: "ann", Roles: []string{string(role)}})})
	}
	acting := metadata.Join(bearer(auth.Grant{User: "gateway", Roles: []string{"service", "operator", "auditor"}}), metadata.Pairs("stint-act-for", "ann"))
	all = append(all, person{"a service account for ann", auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}, Actor: "gateway"}, acting})
	all = append(all, person{"nobody", auth.Principal{}, nil})
	for _, scope := range []auth.Scope{auth.ScopeJobsRead, auth.ScopeJobsWrite, auth.ScopeFilesRead, auth.ScopeFilesWrite, auth.ScopeTokens, auth.ScopeAdmin} {
		p := auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser, auth.RoleOperator}, Scopes: []auth.Scope{scope}}
		all = append(all, person{"an operator with " + string(scope), p, bearer(auth.Grant{User: "ann", Roles: []string{"operator"}, Scopes: []string{string(scope)}})})
	}
	return append(all, m.jobsCommand())
}

// jobsCommand is the command of a running job of ann's.
func (m *matrix) jobsCommand() person {
	text := m.commands.Issue(auth.JobClaim{Job: m.running, Attempt: 1, Owner: "ann", Expires: time.Now().Add(time.Hour)})
	p := auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleJob}, How: auth.HowJob}
	return person{"a job's command", p, metadata.Pairs("authorization", "Bearer "+text)}
}

// outcome is how a call ended, in the words of the table.
type outcome string

const (
	unknown outcome = "who are you"
	denied  outcome = "denied"
	hidden  outcome = "hidden"
	allowed outcome = "allowed"
)

// expected is what the table says.
func (p person) expected(method string, o auth.Ownership) outcome {
	switch {
	case auth.Open(method):
		return allowed
	case p.header == nil:
		return unknown
	}
	may := func(o auth.Ownership) bool { return auth.Allow(p.principal, method, o) == auth.Allowed }
	switch {
	case may(o):
		return allowed
	case !may(auth.Own) && !may(auth.Foreign) && !may(auth.Named):
		return denied // whatever it is about: the call does not reach a handler
	case o == auth.Foreign:
		return hidden
	default:
		return denied
	}
}

func outcomeOf(t *testing.T, code codes.Code, err error) outcome {
	t.Helper()
	switch code {
	case codes.OK:
		return allowed
	case codes.Unauthenticated:
		return unknown
	case codes.PermissionDenied:
		return denied
	case codes.NotFound:
		return hidden
	default:
		t.Errorf("the request of the test is no good: %v", err)
		return outcome(code.String())
	}
}

// contractMethods are all methods of our services.
func contractMethods() map[string]protoreflect.MethodDescriptor {
	all := map[string]protoreflect.MethodDescriptor{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "stint.") {
			return true
		}
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				all[fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(j).Name())] = s.Methods().Get(j)
			}
		}
		return true
	})
	return all
}

func TestTheWholeTableOverTheWire(t *testing.T) {
	m := newMatrix(t)
	methods := contractMethods()
	if len(methods) < 30 {
		t.Fatalf("found only %d methods", len(methods))
	}
	for name := range m.rows {
		if methods[name] == nil {
			t.Errorf("%s is in the test, and no method", name)
		}
	}
	people := m.persons()
	cells := 0
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		row, ok := m.rows[name]
		if !ok {
			t.Errorf("%s is a method of the contract and has no row in this test", name)
			continue
		}
		for o, request := range map[auth.Ownership]func() proto.Message{auth.Own: row.own, auth.Foreign: row.foreign, auth.Named: row.named} {
			if request == nil {
				continue
			}
			for _, p := range people {
				want := p.expected(name, o)
				m.cell(t, methods[name], row, request, p, want, map[auth.Ownership]string{auth.Own: "own", auth.Foreign: "foreign", auth.Named: "named"}[o])
				cells++
			}
		}
	}
	if cells < 30*len(people) {
		t.Errorf("only %d cells were executed", cells)
	}
}

// cell executes one cell both ways.
func (m *matrix) cell(t *testing.T, method protoreflect.MethodDescriptor, row row, request func() proto.Message, p person, want outcome, whose string) {
	t.Helper()
	t.Run(fmt.Sprintf("%s %s by %s", method.Name(), whose, p.name), func(t *testing.T) {
		code, resp, err := m.overGRPC(method, request(), p)
		got := outcomeOf(t, code, err)
		if got == allowed && row.hides != nil && row.hides(resp) {
			got = hidden
		}
		if got != want {
			t.Errorf("over gRPC %s, want %s (%v)", got, want, err)
		}
		rest := row.rest
		if rest == nil {
			rest = transcode
		}
		req := rest(t, method, request())
		if req == nil {
			return // has no REST, as docs/api.md says
		}
		code, body := m.overREST(t, req, p)
		got = outcomeOf(t, code, errors.New(body))
		if got == allowed && row.hides != nil {
			resp = newMessage(method.Output())
			if err := protojson.Unmarshal([]byte(body), resp); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if row.hides(resp) {
				got = hidden
			}
		}
		if got != want {
			t.Errorf("over REST %s, want %s (%s %s: %s)", got, want, req.Method, req.URL, body)
		}
	})
}

func newMessage(d protoreflect.MessageDescriptor) proto.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err)
	}
	return t.New().Interface()
}

// overGRPC makes a call and answers its first message.
func (m *matrix) overGRPC(method protoreflect.MethodDescriptor, req proto.Message, p person) (codes.Code, proto.Message, error) {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(m.Context(), p.header), time.Minute)
	defer cancel()
	resp := newMessage(method.Output())
	stream, err := m.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()))
	if err == nil {
		err = errors.Join(stream.SendMsg(req), stream.CloseSend())
	}
	if err == nil || errors.Is(err, io.EOF) { // the answer says why
		err = stream.RecvMsg(resp)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return status.Code(err), resp, err
}

// overREST makes a request and answers the beginning of what comes.
func (m *matrix) overREST(t *testing.T, req *http.Request, p person) (codes.Code, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req = req.WithContext(ctx)
	target, err := req.URL.Parse(m.site + req.URL.RequestURI())
	must(t, err)
	req.URL, req.Host, req.RequestURI = target, "", ""
	for name, values := range p.header {
		req.Header.Set(name, values[0])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && strings.Contains(req.URL.Path, ":watch") && !req.URL.Query().Has("untilFinal") {
		return codes.OK, "" // and goes on for ever
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	must(t, err)
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusPartialContent:
		return codes.OK, string(body)
	case http.StatusUnauthorized:
		return codes.Unauthenticated, string(body)
	case http.StatusForbidden:
		return codes.PermissionDenied, string(body)
	case http.StatusNotFound:
		return codes.NotFound, string(body)
	case http.StatusNotImplemented:
		return codes.Unimplemented, string(body)
	default:
		return codes.Unknown, resp.Status + string(body)
	}
}
