package job

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job/terms"
)

// Bounds of what a request may hold. They are part of the API and stated in job.proto.
const (
	// MaxBatch is the most jobs or ids in one batch call.
	MaxBatch = 1000
	// MaxOutputName is the longest output_name in bytes; it leaves room for a suffix in a file name of 255.
	MaxOutputName = 200
	// MaxPath is the longest workspace path in bytes.
	MaxPath = 1024
	// MaxLabels is the most labels of a job.
	MaxLabels = 16
	// MaxLabelValue is the longest label value in bytes.
	MaxLabelValue = 128
	// MaxRequestID is the longest request_id in bytes.
	MaxRequestID = 128
	// MaxReason is the longest text that may come with a cancellation, in bytes.
	MaxReason = 500
	// MaxAttempts is the most attempts that a retry policy may ask for.
	MaxAttempts = 20
	// MaxNamed is the most resources with names of the operator that a job may ask for.
	MaxNamed = 16
	// MaxNamedAmount is the most of one of them.
	MaxNamedAmount = 1_000_000_000

	maxPriority = 100
	maxCPUs     = 1 << 16
	maxLimit    = 10 * 365 * 24 * time.Hour
)

// form is that of a name: its letters by a pattern, its length apart, for a
// repetition like {0,127} takes a millisecond to compile, in every program that imports this package.
type form struct {
	most    int // bytes
	letters *regexp.Regexp
}

func (f form) matches(s string) bool { return len(s) <= f.most && f.letters.MatchString(s) }

var (
	ownerForm    = form{128, regexp.MustCompile(`^[A-Za-z0-9_@+][A-Za-z0-9._@+-]*$`)}
	labelKeyForm = form{63, regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)}
	serviceForm  = form{64, regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)}
	executorForm = labelKeyForm
	engineForm   = form{64, regexp.MustCompile(`^[A-Za-z0-9_.-]*$`)}
	// BV-BRC allows letters, digits, & and |; brackets, parentheses, comma, star and ! are Slurm's own (man sbatch, --constraint).
	constraintForm = form{256, regexp.MustCompile(`^[A-Za-z0-9_.&|,*!()\[\]:-]*$`)}
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
		case !labelKeyForm.matches(name):
			v.Add(field, "name %q must be lower-case letters, digits and . _ - only, at most 63", terms.Clip(name))
		case slices.Contains(standardResources, name):
			v.Add(field+"."+name, "is a reserved name, for which there is a field or setting of its own")
		case n < 0 || n > MaxNamedAmount:
			v.Add(field+"."+name, "must be from 0 to %d", MaxNamedAmount)
		}
	}
	return v
}

// CheckSubmit finds everything wrong with the request fields of j but its
// parameters, which are for the service's spec to check. Fields are named below prefix.
func CheckSubmit(j *jobsv1.Job, prefix string) Violations {
	var v Violations
	at := func(f string) string { return prefix + f }
	if j.GetService() == "" {
		v.Add(at("service"), "must be the id of a service; see the list of services")
	} else if !ValidServiceID(j.GetService()) {
		v.Add(at("service"), "is no id of a service")
	}
	if j.GetOwner() != "" && !ValidOwner(j.GetOwner()) {
		v.Add(at("owner"), "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	if j.GetOutputName() != "" {
		v = append(v, checkName(at("outputName"), j.GetOutputName())...)
	}
	if j.GetOutputFolder() != "" {
		if _, err := CleanPath(j.GetOutputFolder()); err != nil {
			v.Add(at("outputFolder"), "%s", err)
		}
	}
	if p := j.GetPriority(); p < -maxPriority || p > maxPriority {
		v.Add(at("priority"), "must be from -%d to %d", maxPriority, maxPriority)
	}
	if p := j.GetParentId(); p != "" {
		if _, err := ParseID(p); err != nil {
			v.Add(at("parentId"), "is no id of a job")
		}
	}
	if e := j.GetExecutor(); e != "" && !ValidExecutor(e) {
		v.Add(at("executor"), "is no name of an executor")
	}
	v = append(v, checkLabels(at("labels"), j.GetLabels())...)
	v = append(v, checkResources(at("resources."), j.GetResources())...)
	v = append(v, checkRetry(at("retry."), j.GetRetry())...)
	return v
}

// CheckRequestID finds what is wrong with a request id; empty is right.
func CheckRequestID(s string) Violations {
	var v Violations
	if len(s) > MaxRequestID {
		v.Add("requestId", "is longer than %d characters", MaxRequestID)
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			v.Add("requestId", "may hold printable ASCII characters without spaces only")
			break
		}
	}
	return v
}

// CheckText finds what is wrong with words that a person wrote.
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

func checkName(field, s string) Violations {
	var v Violations
	switch {
	case len(s) > MaxOutputName:
		v.Add(field, "is longer than %d bytes", MaxOutputName)
	case !utf8.ValidString(s):
		v.Add(field, "is not valid UTF-8")
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

func checkLabels(field string, labels map[string]string) Violations {
	var v Violations
	if len(labels) > MaxLabels {
		v.Add(field, "has %d labels; at most %d are kept", len(labels), MaxLabels)
	}
	for k, val := range labels {
		if !labelKeyForm.matches(k) {
			v.Add(field, "key %q must be lower-case letters, digits and . _ - only, at most 63", terms.Clip(k))
			continue
		}
		v = append(v, CheckText(field+"."+k, val, MaxLabelValue)...)
	}
	return v
}

func checkResources(prefix string, r *jobsv1.Resources) Violations {
	var v Violations
	if r.GetCpus() < 0 || r.GetCpus() > maxCPUs {
		v.Add(prefix+"cpus", "must be from 1 to %d", maxCPUs)
	}
	if r.GetMemoryBytes() < 0 {
		v.Add(prefix+"memoryBytes", "must not be negative")
	}
	if r.GetGpus() < 0 || r.GetGpus() > maxCPUs {
		v.Add(prefix+"gpus", "must be from 0 to %d", maxCPUs)
	}
	v = append(v, CheckNamed(prefix+"named", r.GetNamed())...)
	if d := r.GetTimeLimit(); d != nil {
		if d.CheckValid() != nil || d.AsDuration() <= 0 || d.AsDuration() > maxLimit {
			v.Add(prefix+"timeLimit", "must be more than 0 and at most ten years")
		}
	}
	if !engineForm.matches(r.GetPartition()) {
		v.Add(prefix+"partition", "is no name of a partition")
	}
	if !engineForm.matches(r.GetAccount()) {
		v.Add(prefix+"account", "is no name of an account")
	}
	if !engineForm.matches(r.GetQos()) {
		v.Add(prefix+"qos", "is no name of a quality of service")
	}
	if !constraintForm.matches(r.GetConstraint()) {
		v.Add(prefix+"constraint", "holds characters that no constraint has")
	}
	return v
}

func checkRetry(prefix string, p *jobsv1.RetryPolicy) Violations {
	var v Violations
	if p.GetMaxAttempts() < 0 || p.GetMaxAttempts() > MaxAttempts {
		v.Add(prefix+"maxAttempts", "must be from 1 to %d, or 0 for the server's default", MaxAttempts)
	}
	if d := p.GetBackoff(); d != nil && (d.CheckValid() != nil || d.AsDuration() < 0 || d.AsDuration() > MaxRetryWait) {
		v.Add(prefix+"backoff", "must be from 0 to one day")
	}
	if p != nil {
		v = append(v, checkFactor(prefix+"memoryFactor", p.MemoryFactor)...)
		v = append(v, checkFactor(prefix+"timeFactor", p.TimeFactor)...)
	}
	for i, r := range p.GetReasons() {
		if !Retryable(r) {
			v.Add(fmt.Sprintf("%sreasons[%d]", prefix, i), "%v is not a reason that a new attempt can follow", r)
		}
	}
	return v
}

func checkFactor(field string, f *float64) Violations {
	var v Violations
	if f != nil && !(*f >= 1 && *f <= MaxFactor) { // NaN is neither
		v.Add(field, "must be a number from 1 to %d", MaxFactor)
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
