package job

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job/terms"
)

// DefaultOutputFolder gets the results of jobs that name no folder.
const DefaultOutputFolder = "/jobs"

// DefaultOutputName names the result of a job that came without a name.
func DefaultOutputName(service string, id ID) string { return service + "-" + id.String() }

// ValidOwner reports whether s can be the name of a user.
func ValidOwner(s string) bool { return ownerForm.matches(s) }

// ValidServiceID reports whether s can be the id of a service.
func ValidServiceID(s string) bool { return serviceForm.matches(s) }

// ValidExecutor reports whether s can be the name of an executor.
func ValidExecutor(s string) bool { return executorForm.matches(s) }

// standardResources are names that no resource of an operator can have: there are fields for what they
// mean, or the scheduler uses them.
var standardResources = []string{
	"cpus", "cores", "memory", "memory_bytes", "memorybytes", "gpus", "slots", "time_limit", "timelimit",
	"partition", "account", "constraint", "named",
}

// CheckNamed finds what is wrong with resources that an operator named, or that a job asks for by
// those names. Fields are named below field.
func CheckNamed(field string, named map[string]int64) Violations {
	var v Violations
	if len(named) > MaxNamed {
		v.Add(field, "has %d names; at most %d may be asked for", len(named), MaxNamed)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		switch n := named[name]; {
		case !namedForm.matches(name):
			v.Add(field, "name %q must be lower-case letters, digits and . _ - only, at most 63", terms.Clip(name))
		case slices.Contains(standardResources, name):
			v.Add(field+"."+name, "%s", reservedResource)
		case n < 0 || n > MaxNamedAmount:
			v.Add(field+"."+name, "must be from 0 to %d", MaxNamedAmount)
		}
	}
	return v
}

// CheckSubmit finds what is wrong with the request fields of j besides the bounds that the contract declares, but for its
// parameters, which are for the service's spec to check. Fields are named below prefix.
func CheckSubmit(j *jobsv1.Job, prefix string) Violations {
	var v Violations
	at := func(f string) string { return prefix + f }
	if j.GetService() == "" {
		v.Add(at("service"), "must be the id of a service; see the list of services")
	}
	if j.GetOutputName() != "" {
		v = append(v, checkName(at("outputName"), j.GetOutputName())...)
	}
	if f := j.GetOutputFolder(); f != "" && len(f) <= MaxPath {
		if _, err := CleanPath(f); err != nil {
			v.Add(at("outputFolder"), "%s", err)
		}
	}
	if p := j.GetParentId(); p != "" {
		if _, err := ParseID(p); err != nil {
			v.Add(at("parentId"), "is no id of a job")
		}
	}
	for name := range j.GetResources().GetNamed() {
		if slices.Contains(standardResources, name) {
			v.Add(at("resources.named.")+name, "%s", reservedResource)
		}
	}
	for i, r := range j.GetRetry().GetReasons() {
		if !Retryable(r) {
			v.Add(fmt.Sprintf("%sretry.reasons[%d]", prefix, i), "%v is not a reason that a new attempt can follow", r)
		}
	}
	return v
}

// reservedResource is what is wrong with a name that no resource of an operator can have.
const reservedResource = "is a reserved name, for which there is a field or setting of its own"

// CheckRequestID finds what is wrong with a request id that came as a header; empty is right.
func CheckRequestID(s string) Violations {
	var v Violations
	if s != "" && !requestIDForm.matches(s) {
		v.Add("requestId", "must be at most %d printable ASCII characters without spaces", requestIDForm.max)
	}
	return v
}

func checkName(field, s string) Violations {
	var v Violations
	switch {
	case strings.ContainsFunc(s, unicode.IsControl):
		v.Add(field, "holds control characters")
	case strings.Contains(s, "/"):
		v.Add(field, "must be one name, without slashes; use outputFolder for the folder")
	case s == "." || s == ".." || strings.HasPrefix(s, ".stint-"):
		v.Add(field, "is a reserved name")
	case strings.TrimSpace(s) != s:
		v.Add(field, "begins or ends with a space")
	}
	return v
}

// CheckText finds what is wrong with words that a person wrote outside of a request.
func CheckText(field, s string, most int) Violations {
	var v Violations
	switch {
	case len(s) > most:
		v.Add(field, "is longer than %d bytes", most)
	case !utf8.ValidString(s):
		v.Add(field, "is not valid UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }):
		v.Add(field, "holds control characters")
	}
	return v
}

// CleanPath gives the one form of a path in a user's workspace: absolute, with
// single slashes and no slash at the end. What could name something outside the
// tree, and what no file system should be asked for, is refused with the words for the user.
func CleanPath(p string) (string, error) {
	switch {
	case len(p) > MaxPath:
		return "", fmt.Errorf("is longer than %d bytes", MaxPath)
	case !utf8.ValidString(p):
		return "", errNotUTF8
	case strings.ContainsFunc(p, unicode.IsControl):
		return "", errControl
	}
	clean := path.Clean("/" + p)
	for seg := range strings.SplitSeq(p, "/") {
		switch {
		case seg == "..":
			return "", errDotDot
		case len(seg) > 255:
			return "", errSegment
		case strings.HasPrefix(seg, ".stint-"):
			return "", errReserved
		}
	}
	return clean, nil
}

type pathError string

func (e pathError) Error() string { return string(e) }

const (
	errNotUTF8  = pathError("is not valid UTF-8")
	errControl  = pathError("holds control characters")
	errDotDot   = pathError("must not hold \"..\"; name the path from the root of the workspace, for example /reads/sample1.fastq")
	errSegment  = pathError("has a name longer than 255 bytes")
	errReserved = pathError("has a name that begins with .stint-, which is reserved")
)
