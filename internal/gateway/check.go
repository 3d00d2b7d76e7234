package gateway

import (
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stint-jobs/stint/internal/reason"
)

// check is the middleware that every call of the mux passes: it compares the
// request with the contract and refuses it whole, before a call is made.
func (g *gateway) check(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		op, ok := g.operations.matched(r)
		if !ok { // an annotation of a kind that newOperations does not know
			g.refuse(w, r, newProblem(reason.Internal, "The server does not know its own route."))
			return
		}
		op.on(r)
		if p := g.authenticate(r, op.fullMethod()); p != nil {
			g.refuse(w, r, p)
			return
		}
		values, p := op.checkRequest(r, params)
		if p != nil {
			g.refuse(w, r, p)
			return
		}
		r = withQuery(r, values)
		body := g.newBody(r, op)
		defer func() { body.done() }()
		for _, name := range op.bound {
			body.bound = append(body.bound, boundField{name: name, value: params[string(name)]})
		}
		r.Body = body

		switch {
		case op.method.IsStreamingServer() && r.Context().Value(headKey{}) != nil:
			w.WriteHeader(http.StatusOK) // a stream has no end to wait for
		case op.method.Name() == "StreamLogs" && wantsRawLog(r, values):
			g.serveRawLog(w, r, params)
		case op.method.IsStreamingServer():
			g.serveStream(w, r, params, next)
		default:
			r.Header.Del("Accept") // there is one form of an answer
			next(w, r, params)
		}
	}
}

// authenticate refuses who may not make a call at all. It reads nothing but headers.
func (g *gateway) authenticate(r *http.Request, method string) *problem {
	if g.Authenticate == nil {
		return nil
	}
	if err := g.Authenticate(r, method); err != nil {
		return g.problemOf(r.Context(), err)
	}
	return nil
}

// checkRequest checks path and query, and gives the query that the RPC is to see.
func (op *operation) checkRequest(r *http.Request, params map[string]string) (map[string][]string, *problem) {
	if p := op.checkPath(r, params); p != nil {
		return nil, p
	}
	values, p := parseQuery(r.URL.RawQuery)
	if p != nil {
		return nil, p
	}
	var v violations
	op.resume(r.Header, values, &v)
	var others []string
	if op.method.Name() == "StreamLogs" {
		others = append(others, "download")
	}
	checkQuery(op, values, others, &v)
	return values, v.problem()
}

// checkPath checks the parameters that the path gives, and turns friendly names into those of the contract.
func (op *operation) checkPath(r *http.Request, params map[string]string) *problem {
	var v violations
	for _, name := range op.bound {
		value := params[string(name)]
		switch field := op.method.Input().Fields().ByName(name); {
		case value == "" && name != "path":
			return noRoute() // the mux takes an empty segment for a value
		case !validText(value):
			v.add(string(name), "must be text in UTF-8 without NUL")
		case field.Kind() == protoreflect.EnumKind:
			full, ok := enumName(field.Enum(), value)
			if !ok {
				v.add(string(name), "must be "+friendlyNames(field.Enum()))
			}
			params[string(name)] = full
		case op.method.Parent().Name() == "WorkspaceService" && name == "path":
			// The mux decodes the path once more than a client encoded it in some
			// cases; all methods on a file must mean the same file.
			route, ok := parseFileRoute(r.URL.EscapedPath())
			if !ok {
				return noRoute()
			}
			path, p := route.filePath()
			if p != nil {
				return p
			}
			params[string(name)] = path
		}
	}
	return v.problem()
}

// enumName finds an enum value by its name, in full or without the enum's prefix and in any case.
func enumName(enum protoreflect.EnumDescriptor, text string) (string, bool) {
	upper := strings.ToUpper(text)
	for _, name := range []string{upper, enumPrefix(enum) + upper} {
		if value := enum.Values().ByName(protoreflect.Name(name)); value != nil && value.Number() != 0 {
			return name, true
		}
	}
	return "", false
}

// friendlyNames lists the values of an enum as a path may give them.
func friendlyNames(enum protoreflect.EnumDescriptor) string {
	var names []string
	for i := range enum.Values().Len() {
		if value := enum.Values().Get(i); value.Number() != 0 {
			names = append(names, strings.ToLower(strings.TrimPrefix(string(value.Name()), enumPrefix(enum))))
		}
	}
	return strings.Join(names, " or ")
}

// enumPrefix is what the names of an enum's values begin with, by the rule of the contract's linter.
func enumPrefix(enum protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
}
