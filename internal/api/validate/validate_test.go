package validate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	pb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func newValidator(tb testing.TB) *Validator {
	tb.Helper()
	v, err := New(&jobsv1.SubmitRequest{}, &jobsv1.BatchSubmitRequest{}, &jobsv1.BatchGetRequest{}, &jobsv1.ShareRequest{}, &jobsv1.ListRequest{})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func check(t *testing.T, m proto.Message) job.Violations {
	t.Helper()
	found, err := newValidator(t).Check(m)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAllThatIsWrongWithAJobIsSaidAtOnce(t *testing.T) {
	bad := &jobsv1.Job{
		Service: "no service", Owner: "../x", OutputName: strings.Repeat("a", 201), OutputFolder: strings.Repeat("/a", 513), Priority: 101, ParentId: "x",
		Executor: "UPPER", Labels: map[string]string{"Bad Key": "v", "ok": "a\x00b", "long": strings.Repeat("v", 129)},
		Resources: &jobsv1.Resources{
			Cpus: -1, MemoryBytes: -1, Gpus: 1 << 17, TimeLimit: durationpb.New(-time.Second),
			Partition: "a b", Account: "$(x)", Constraint: "a;b", Qos: strings.Repeat("q", 65),
			Named: map[string]int64{"licence": -1, "db": 1_000_000_001, "Bad Name": 1},
		},
		Retry: &jobsv1.RetryPolicy{
			MaxAttempts: 21, Backoff: durationpb.New(25 * time.Hour), Reasons: []jobsv1.Reason{1000},
			MemoryFactor: proto.Float64(0), TimeFactor: proto.Float64(math.NaN()),
		},
	}
	got := map[string]string{}
	for _, v := range check(t, &jobsv1.SubmitRequest{Job: bad, RequestId: "a b"}) {
		got[v.Field] = v.Description
	}
	for field, want := range map[string]string{
		"job.service": "is no id of a service", "job.owner": "is no user name: letters, digits and . _ @ + - only, at most 128",
		"job.outputName": "is longer than 200 bytes", "job.outputFolder": "is longer than 1024 bytes",
		"job.priority": "must be from -100 to 100", "job.parentId": "is no id of a job", "job.executor": "must be lower-case letters, digits and . _ - only",
		"job.labels":    `key "Bad Key" must be lower-case letters, digits and . _ - only`,
		"job.labels.ok": "holds control characters", "job.labels.long": "is longer than 128 bytes",
		"job.resources.cpus": "must be from 0 to 65536", "job.resources.memoryBytes": "must not be negative", "job.resources.gpus": "must be from 0 to 65536",
		"job.resources.timeLimit": "must be more than 0 and at most 3650 days",
		"job.resources.partition": "may hold letters, digits and . _ - only", "job.resources.account": "may hold letters, digits and . _ - only",
		"job.resources.constraint": "holds characters that no constraint has", "job.resources.qos": "is longer than 64 bytes",
		"job.resources.named.licence": "must be from 0 to 1000000000", "job.resources.named.db": "must be from 0 to 1000000000",
		"job.resources.named":   `key "Bad Name" must be lower-case letters, digits and . _ - only`,
		"job.retry.maxAttempts": "must be from 0 to 20", "job.retry.backoff": "must be from 0 to 1 day", "job.retry.reasons[0]": "",
		"job.retry.memoryFactor": "must be from 1 to 10", "job.retry.timeFactor": "must be from 1 to 10",
		"requestId": "may hold printable ASCII characters without spaces only",
	} {
		words, ok := got[field]
		if !ok || want != "" && words != want {
			t.Errorf("%s: %q; want %q", field, words, want)
		}
		delete(got, field)
	}
	if len(got) > 0 {
		t.Errorf("and more: %q", got)
	}
}

func TestAGoodJobIsTaken(t *testing.T) {
	good := &jobsv1.Job{
		Service: "GenomeAssembly", Owner: "ann@example.org", OutputName: "λ phage (2)", OutputFolder: "runs/1",
		Labels: map[string]string{"project": "two\nlines"}, Priority: -100,
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"": structpb.NewNumberValue(math.NaN())}}, // for its service to say
		Resources:  &jobsv1.Resources{Constraint: "[a*2&b]|c", Named: map[string]int64{"licence": 0, "db-slots": job.MaxNamedAmount}},
		Retry:      &jobsv1.RetryPolicy{MaxAttempts: 2, Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_EXIT_NONZERO}, TimeFactor: proto.Float64(10)},
		// What the server alone writes is not read, so it may be anything.
		Attempts: []*jobsv1.Attempt{{Resources: &jobsv1.Resources{Cpus: -1}}},
	}
	for _, m := range []proto.Message{&jobsv1.SubmitRequest{Job: good}, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{good, good}}} {
		if found := check(t, m); len(found) > 0 {
			t.Errorf("a good job is refused: %v", found)
		}
	}
}

func TestListsHaveAsManyElementsAsTheyMay(t *testing.T) {
	many := slices.Repeat([]string{"1"}, 1001)
	for _, tc := range []struct {
		m           proto.Message
		field, want string
	}{
		{&jobsv1.BatchGetRequest{Ids: many}, "ids", "has 1001 elements; at most 1000 may be given at a time"},
		{&jobsv1.BatchSubmitRequest{}, "jobs", "must have at least one"},
		{&jobsv1.SubmitRequest{}, "job", "must be given"},
		{&jobsv1.ShareRequest{Id: "1", User: "ann", Rights: []jobsv1.ShareRight{0}}, "rights[0]", "must be one of HISTORY, LOGS, RESULTS, RERUN"},
		{&jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{{}, {Priority: 200}}}, "jobs[1].priority", "must be from -100 to 100"},
		{&jobsv1.ListRequest{PageSize: -1}, "pageSize", "must not be negative"},
	} {
		found := check(t, tc.m)
		if !slices.ContainsFunc(found, func(v job.Violation) bool { return v.Field == tc.field && v.Description == tc.want }) {
			t.Errorf("%v: %q; want that %s %s", tc.m.ProtoReflect().Descriptor().Name(), found, tc.field, tc.want)
		}
	}
	if found := check(t, &jobsv1.BatchGetRequest{Ids: many[:1000]}); len(found) > 0 {
		t.Errorf("1000 ids: %v", found)
	}
}

func TestARequestThatIsNothingButMistakesHasABoundedAnswer(t *testing.T) {
	m := &jobsv1.BatchSubmitRequest{Jobs: slices.Repeat([]*jobsv1.Job{{Priority: 200, Executor: "A"}}, 1000)}
	if found := check(t, m); len(found) != maxViolations {
		t.Errorf("%d violations; want %d", len(found), maxViolations)
	}
}

// A pattern without words would be shown to a person as it is.
func TestEveryPatternOfTheContractHasWords(t *testing.T) {
	used := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "stint.") {
			eachField(file.Messages(), func(f protoreflect.FieldDescriptor) {
				rules, _ := proto.GetExtension(f.Options(), pb.E_Field).(*pb.FieldRules)
				for _, s := range []*pb.StringRules{
					rules.GetString(), rules.GetRepeated().GetItems().GetString(), rules.GetMap().GetKeys().GetString(), rules.GetMap().GetValues().GetString(),
				} {
					if s.GetPattern() == "" {
						continue
					}
					used[s.GetPattern()] = true
					if patterns[s.GetPattern()] == "" {
						t.Errorf("%s: no words for the pattern %s", f.FullName(), s.GetPattern())
					}
				}
			})
		}
		return true
	})
	if len(used) < 5 {
		t.Errorf("only %d patterns were found", len(used))
	}
}

func eachField(messages protoreflect.MessageDescriptors, do func(protoreflect.FieldDescriptor)) {
	for i := range messages.Len() {
		m := messages.Get(i)
		for k := range m.Fields().Len() {
			do(m.Fields().Get(k))
		}
		eachField(m.Messages(), do)
	}
}

func BenchmarkCheckOfASubmit(b *testing.B) {
	v := newValidator(b)
	m := &jobsv1.SubmitRequest{RequestId: "a-b", Job: &jobsv1.Job{
		Service: "Sleep", OutputName: "nap", Labels: map[string]string{"project": "phage"}, Resources: &jobsv1.Resources{Cpus: 1},
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"sleep_time": structpb.NewNumberValue(1)}},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := v.Check(m); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
