package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// operation is one HTTP method on one path of the contract, and the RPC behind it.
type operation struct {
	verb string
	// template is the path as the contract writes it.
	template string
	path     *regexp.Regexp
	method   protoreflect.MethodDescriptor
	// bound are the fields of the request that the path gives.
	bound []protoreflect.Name
}

// operations are all operations that the HTTP annotations of the contract define.
type operations struct {
	all []*operation
	// byPattern finds an operation by its verb and the path template as the mux prints it.
	byPattern map[string]*operation
}

// pathVariable matches `{id}` and `{path=**}` in a path template.
var pathVariable = regexp.MustCompile(`\{(\w+)(?:=([^}]*))?\}`)

func newOperations() (*operations, error) {
	ops := &operations{byPattern: map[string]*operation{}}
	for _, file := range []protoreflect.FileDescriptor{
		jobsv1.File_stint_jobs_v1_job_service_proto,
		catalogv1.File_stint_catalog_v1_catalog_service_proto,
		workspacev1.File_stint_workspace_v1_workspace_service_proto,
		adminv1.File_stint_admin_v1_admin_service_proto,
		adminv1.File_stint_admin_v1_queue_service_proto,
		adminv1.File_stint_admin_v1_status_service_proto,
		authv1.File_stint_auth_v1_auth_service_proto,
		authv1.File_stint_auth_v1_token_service_proto,
		authv1.File_stint_auth_v1_session_service_proto,
		adminv1.File_stint_admin_v1_user_service_proto,
	} {
		services := file.Services()
		for i := range services.Len() {
			methods := services.Get(i).Methods()
			for j := range methods.Len() {
				if err := ops.add(methods.Get(j)); err != nil {
					return nil, err
				}
			}
		}
	}
	return ops, nil
}

// add adds the operations of one RPC. It may have none.
func (o *operations) add(method protoreflect.MethodDescriptor) error {
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	for _, binding := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		verb, template := verbAndPath(binding)
		if verb == "" || !strings.HasPrefix(template, "/v1/") {
			return fmt.Errorf("read the HTTP rule of %s: path %q is none of the gateway's", method.FullName(), template)
		}
		op := &operation{verb: verb, template: template, method: method}
		pattern := pathVariable.ReplaceAllStringFunc(template, func(variable string) string {
			parts := pathVariable.FindStringSubmatch(variable)
			op.bound = append(op.bound, protoreflect.Name(parts[1]))
			if parts[2] == "" {
				parts[2] = "*"
			}
			return "{" + parts[1] + "=" + parts[2] + "}"
		})
		op.path = templateRegexp(pattern)
		o.all = append(o.all, op)
		o.byPattern[verb+" "+pattern] = op
	}
	return nil
}

func verbAndPath(rule *annotations.HttpRule) (verb, path string) {
	switch rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, rule.GetGet()
	case *annotations.HttpRule_Put:
		return http.MethodPut, rule.GetPut()
	case *annotations.HttpRule_Post:
		return http.MethodPost, rule.GetPost()
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, rule.GetDelete()
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, rule.GetPatch()
	default:
		return "", ""
	}
}

// templateRegexp matches the paths of a template whose variables are all of the form {name=glob}.
func templateRegexp(template string) *regexp.Regexp {
	var b strings.Builder
	last := 0
	for _, at := range pathVariable.FindAllStringSubmatchIndex(template, -1) {
		b.WriteString(regexp.QuoteMeta(template[last:at[0]]))
		if template[at[4]:at[5]] == "**" {
			b.WriteString(".+")
		} else {
			b.WriteString("[^/]+")
		}
		last = at[1]
	}
	b.WriteString(regexp.QuoteMeta(template[last:]))
	return regexp.MustCompile("^" + b.String() + "$")
}

// fullMethod is the name of the RPC as gRPC has it.
func (op *operation) fullMethod() string {
	return "/" + string(op.method.Parent().FullName()) + "/" + string(op.method.Name())
}

// matched is the operation that the mux chose for the request.
func (o *operations) matched(r *http.Request) (*operation, bool) {
	pattern, ok := runtime.HTTPPattern(r.Context())
	if !ok {
		return nil, false
	}
	op, ok := o.byPattern[r.Method+" "+pattern.String()]
	return op, ok
}

// verbs are the methods that a path takes, sorted. None means that there is no such path.
func (o *operations) verbs(path string) []string {
	var verbs []string
	for _, op := range o.all {
		if op.path.MatchString(path) && !slices.Contains(verbs, op.verb) {
			verbs = append(verbs, op.verb)
		}
	}
	if slices.Contains(verbs, http.MethodGet) {
		verbs = append(verbs, http.MethodHead)
	}
	slices.Sort(verbs)
	return verbs
}
