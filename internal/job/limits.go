package job

import (
	"regexp"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Bounds of what a request may hold, as the contract declares them. Requests themselves are held to them by package validate;
// these are for what the same names and numbers come from besides, such as the server's configuration.
var (
	// MaxBatch is the most jobs in one batch call.
	MaxBatch = int(rulesOf(&jobsv1.BatchSubmitRequest{}, "jobs").GetRepeated().GetMaxItems()) //nolint:gosec // small
	// MaxOutputName is the longest output_name in bytes; it leaves room for a suffix in a file name of 255.
	MaxOutputName = maxBytes(rulesOf(&jobsv1.Job{}, "output_name").GetString())
	// MaxPath is the longest workspace path in bytes.
	MaxPath = maxBytes(rulesOf(&jobsv1.Job{}, "output_folder").GetString())
	// MaxLabels is the most labels of a job.
	MaxLabels = int(rulesOf(&jobsv1.Job{}, "labels").GetMap().GetMaxPairs()) //nolint:gosec // small
	// MaxLabelValue is the longest label value in bytes.
	MaxLabelValue = maxBytes(rulesOf(&jobsv1.Job{}, "labels").GetMap().GetValues().GetString())
	// MaxNamed is the most resources with names of the operator that a job may ask for.
	MaxNamed = int(rulesOf(&jobsv1.Resources{}, "named").GetMap().GetMaxPairs()) //nolint:gosec // small
	// MaxNamedAmount is the most of one of them.
	MaxNamedAmount = rulesOf(&jobsv1.Resources{}, "named").GetMap().GetValues().GetInt64().GetLte()
	// MaxRetryWait bounds the backoff that a policy may ask for, and so any wait before an attempt.
	MaxRetryWait = rulesOf(&jobsv1.RetryPolicy{}, "backoff").GetDuration().GetLte().AsDuration()
	// MaxFactor is the most by which a retry policy may multiply what the next attempt gets.
	MaxFactor = rulesOf(&jobsv1.RetryPolicy{}, "memory_factor").GetDouble().GetLte()
)

var (
	ownerForm     = formOf(rulesOf(&jobsv1.Job{}, "owner").GetString())
	serviceForm   = formOf(rulesOf(&jobsv1.Job{}, "service").GetString())
	executorForm  = formOf(rulesOf(&jobsv1.Job{}, "executor").GetString())
	namedForm     = formOf(rulesOf(&jobsv1.Resources{}, "named").GetMap().GetKeys().GetString())
	requestIDForm = formOf(rulesOf(&jobsv1.SubmitRequest{}, "request_id").GetString())
)

// form is that of a name. The pattern says its letters and not its length, for a repetition like {0,127} takes a
// millisecond to compile, in every program that imports this package.
type form struct {
	max     int // bytes
	letters *regexp.Regexp
}

func formOf(r *validate.StringRules) form {
	return form{maxBytes(r), regexp.MustCompile(r.GetPattern())}
}

// matches reports whether s is a name of that form. The contract's patterns take the empty text where a field may be left
// out; it is no name.
func (f form) matches(s string) bool { return s != "" && len(s) <= f.max && f.letters.MatchString(s) }

func maxBytes(r *validate.StringRules) int { return int(r.GetMaxBytes()) } //nolint:gosec // small

// rulesOf returns the bounds that the contract declares for a field of m.
func rulesOf(m proto.Message, field protoreflect.Name) *validate.FieldRules {
	options := m.ProtoReflect().Descriptor().Fields().ByName(field).Options()
	rules, _ := proto.GetExtension(options, validate.E_Field).(*validate.FieldRules)
	return rules
}
