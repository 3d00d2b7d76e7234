package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// catalog is the CatalogService.
func (w *world) catalog() catalogv1.CatalogServiceClient {
	return catalogv1.NewCatalogServiceClient(w.conn)
}

// source names a file of a job of Copy.
func source(path string) *structpb.Struct { return params("source", structpb.NewStringValue(path)) }

// advising is a world with services that have maxima, and one that takes advice, too.
func advising(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	resources := "resources: {cpus: 2, memory: 64M, time_limit: 10m"
	w.service("Auto", strings.NewReplacer("id: Copy", "id: Auto", resources, "resources: {auto: true, memory: 64M").Replace(copyService))
	w.service("Bound", strings.NewReplacer("id: Copy", "id: Bound", resources, resources+", max_memory: 128M, max_time_limit: 1h").Replace(copyService))
	w.service("Open", strings.NewReplacer("id: Copy", "id: Open", resources, "resources: {max_memory: 128M, max_time_limit: 1h").Replace(copyService))
	_, err := w.live.Reload()
	must(t, err)
	return w
}

func TestAdviseIsAboutTheCallersOwnFiles(t *testing.T) {
	w := advising(t)
	ann, bob := w.as("ann"), w.as("bob")
	must(t, w.upload(ann, "/reads.fq", strings.Repeat("x", 30)))
	must(t, w.upload(bob, "/small.fq", "x"))
	got, err := w.catalog().Advise(ann, &catalogv1.AdviseRequest{Service: "Copy", Parameters: source("/reads.fq")})
	must(t, err)
	if a := got.GetAdvice(); got.GetInputBytes() != 30 || a.GetSamples() != 20 || a.GetMemoryBytes() != 30<<20 || a.GetTimeLimit().GetSeconds() != 60 {
		t.Errorf("advised %v", got)
	}
	got, err = w.catalog().Advise(bob, &catalogv1.AdviseRequest{Service: "Copy", Parameters: source("/small.fq")})
	must(t, err)
	if a := got.GetAdvice(); a.GetSamples() != 1 || a.GetMemoryBytes() != 0 || a.GetTimeLimit() != nil || a.GetNote() == "" {
		t.Errorf("advised by one sample: %v", got)
	}
	_, err = w.catalog().Advise(bob, &catalogv1.AdviseRequest{Service: "Copy", Parameters: source("/reads.fq")})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{"parameters.source"}) {
		t.Errorf("another's file: %v", fields)
	}
}

func TestAdviseRefusals(t *testing.T) {
	w := advising(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	must(t, os.RemoveAll(filepath.Join(w.services, "Open")))
	_, err := w.live.Reload()
	must(t, err)
	for name, c := range map[string]struct {
		req   *catalogv1.AdviseRequest
		field string
	}{
		"a removed service":    {&catalogv1.AdviseRequest{Service: "Open", Parameters: source("/in.txt")}, "service"},
		"no service":           {&catalogv1.AdviseRequest{Parameters: source("/in.txt")}, "service"},
		"no id of a service":   {&catalogv1.AdviseRequest{Service: "a b\x00", Parameters: source("/in.txt")}, "service"},
		"a long version":       {&catalogv1.AdviseRequest{Service: "Copy", Version: strings.Repeat("v", 65), Parameters: source("/in.txt")}, "version"},
		"no parameters":        {&catalogv1.AdviseRequest{Service: "Copy"}, "parameters.source"},
		"parameters too large": {&catalogv1.AdviseRequest{Service: "Copy", Parameters: params("source", structpb.NewStringValue("/in.txt"), "times", structpb.NewNumberValue(99))}, "parameters.times"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.catalog().Advise(ann, c.req)
			if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{c.field}) {
				t.Errorf("refused for %v, want %s", fields, c.field)
			}
		})
	}
}

// What one call may have looked up in a workspace is bounded.
func TestAdviseLooksAtAThousandFiles(t *testing.T) {
	w := advising(t)
	w.service("Many", strings.NewReplacer("id: Copy", "id: Many", "type: file, required: true", "type: file, multiple: true").Replace(copyService))
	_, err := w.live.Reload()
	must(t, err)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	files := func(n int) *catalogv1.AdviseRequest {
		list := &structpb.ListValue{}
		for range n {
			list.Values = append(list.Values, structpb.NewStringValue("/in.txt"))
		}
		return &catalogv1.AdviseRequest{Service: "Many", Parameters: params("source", structpb.NewListValue(list))}
	}
	got, err := w.catalog().Advise(ann, files(1000))
	must(t, err)
	if got.GetInputBytes() != 1000 {
		t.Errorf("a thousand files: %v", got)
	}
	_, err = w.catalog().Advise(ann, files(1001))
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{"parameters.source[1000]"}) {
		t.Errorf("one more: %v", fields)
	}
}

func TestACheckAdvises(t *testing.T) {
	w := advising(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", strings.Repeat("x", 30)))
	req := &jobsv1.SubmitRequest{Job: copyJob(), ValidateOnly: true}
	got, err := w.jobs().Submit(ann, req)
	must(t, err)
	if a := got.GetAdvice(); a.GetMemoryBytes() != 30<<20 || got.GetJob().GetResources().GetMemoryBytes() != 64<<20 || got.GetJob().GetAppliedAdvice() != nil {
		t.Errorf("advised %v, and the job would be %v", a, got.GetJob())
	}
	req = &jobsv1.SubmitRequest{Job: copyJob()}
	stored, err := w.jobs().Submit(ann, req)
	must(t, err)
	if stored.GetAdvice() != nil {
		t.Errorf("a stored job is advised on: %v", stored)
	}
	again, err := w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: stored.GetJob().GetId(), ValidateOnly: true})
	must(t, err)
	if again.GetAdvice().GetMemoryBytes() != 30<<20 {
		t.Errorf("a rerun: %v", again)
	}
}

func TestAServiceTakesAdvice(t *testing.T) {
	w := advising(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", strings.Repeat("x", 30)))
	must(t, w.upload(ann, "/new.txt", "x"))
	submit := func(change func(*jobsv1.Job)) *jobsv1.Job {
		t.Helper()
		j := copyJob()
		j.Service = "Auto"
		change(j)
		got, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: j})
		must(t, err)
		return got.GetJob()
	}
	all := submit(func(j *jobsv1.Job) { j.AppliedAdvice = &jobsv1.Advice{Samples: 99} })
	if r, a := all.GetResources(), all.GetAppliedAdvice(); r.GetMemoryBytes() != 30<<20 || r.GetTimeLimit().GetSeconds() != 60 ||
		a.GetMemoryBytes() != 30<<20 || a.GetTimeLimit().GetSeconds() != 60 || a.GetSamples() != 20 ||
		all.GetRetry().GetMemoryFactor() != 2 || all.GetRetry().GetTimeFactor() != 2 {
		t.Errorf("all by advice: %v", all)
	}
	some := submit(func(j *jobsv1.Job) {
		j.Resources = &jobsv1.Resources{MemoryBytes: 5 << 20}
		j.Retry = &jobsv1.RetryPolicy{TimeFactor: proto.Float64(1)}
	})
	if r, a := some.GetResources(), some.GetAppliedAdvice(); r.GetMemoryBytes() != 5<<20 || r.GetTimeLimit().GetSeconds() != 60 ||
		a.GetMemoryBytes() != 0 || a.GetTimeLimit() == nil || some.GetRetry().MemoryFactor != nil || some.GetRetry().GetTimeFactor() != 1 {
		t.Errorf("the time by advice: %v", some)
	}
	none := submit(func(j *jobsv1.Job) {
		j.Resources = &jobsv1.Resources{MemoryBytes: 5 << 20, TimeLimit: durationpb.New(5e9)}
	})
	if none.GetAppliedAdvice() != nil || none.GetRetry() != nil {
		t.Errorf("nothing by advice: %v", none)
	}
	unknown := submit(func(j *jobsv1.Job) { j.Parameters = source("/new.txt") })
	if unknown.GetAppliedAdvice() != nil || unknown.GetResources().GetMemoryBytes() != 64<<20 || unknown.GetResources().GetTimeLimit() != nil {
		t.Errorf("where nothing is advised: %v", unknown)
	}
	// A rerun takes the advice of now, and keeps what was asked for.
	_, err := w.space().Delete(ann, &workspacev1.DeleteRequest{Path: "/in.txt"})
	must(t, err)
	must(t, w.upload(ann, "/in.txt", strings.Repeat("x", 40)))
	for _, c := range []struct {
		of     *jobsv1.Job
		memory int64
	}{{all, 40 << 20}, {some, 5 << 20}, {none, 5 << 20}} {
		again, err := w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: c.of.GetId()})
		must(t, err)
		if got := again.GetJob().GetResources().GetMemoryBytes(); got != c.memory {
			t.Errorf("the rerun of %v has %d of memory", c.of, got)
		}
	}
}

func TestNobodyAsksForMoreThanTheMaximumOfAService(t *testing.T) {
	w := advising(t)
	ann := w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	for _, c := range []struct {
		service string
		asked   *jobsv1.Resources
		fields  []string
		memory  int64
		seconds int64
	}{
		{"Bound", nil, nil, 64 << 20, 600},
		{"Bound", &jobsv1.Resources{MemoryBytes: 128 << 20, TimeLimit: durationpb.New(3600e9)}, nil, 128 << 20, 3600},
		{"Bound", &jobsv1.Resources{MemoryBytes: 128<<20 + 1}, []string{"job.resources.memoryBytes"}, 0, 0},
		{"Bound", &jobsv1.Resources{TimeLimit: durationpb.New(3600e9 + 1)}, []string{"job.resources.timeLimit"}, 0, 0},
		{"Bound", &jobsv1.Resources{MemoryBytes: 1 << 40, TimeLimit: durationpb.New(1e17)}, []string{"job.resources.memoryBytes", "job.resources.timeLimit"}, 0, 0},
		{"Open", nil, nil, 128 << 20, 3600}, // what is left out is never more
	} {
		t.Run(fmt.Sprint(c.service, c.asked), func(t *testing.T) {
			j := copyJob()
			j.Service, j.Resources = c.service, c.asked
			got, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: j, ValidateOnly: true})
			if c.fields != nil {
				if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, c.fields) {
					t.Errorf("refused for %v", fields)
				}
				return
			}
			must(t, err)
			if r := got.GetJob().GetResources(); r.GetMemoryBytes() != c.memory || r.GetTimeLimit().GetSeconds() != c.seconds {
				t.Errorf("it asks for %v", r)
			}
		})
	}
	_, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: &jobsv1.Job{
		Service: "Copy", Parameters: source("/in.txt"), Retry: &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(0.5), TimeFactor: proto.Float64(11)},
	}})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{"job.retry.memoryFactor", "job.retry.timeFactor"}) {
		t.Errorf("bad factors: %v", fields)
	}
}
