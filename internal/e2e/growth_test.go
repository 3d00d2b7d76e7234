package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// hungry is a job that needs so much memory and time.
func hungry(mebibytes int, d time.Duration, r *jobsv1.Resources, p *jobsv1.RetryPolicy) *jobsv1.Job {
	p.Backoff = durationpb.New(0)
	return &jobsv1.Job{Service: "Hungry", Resources: r, Retry: p, Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
		"mebibytes": structpb.NewNumberValue(float64(mebibytes)), "seconds": structpb.NewNumberValue(d.Seconds()),
	}}}
}

// ended submits a job, waits until all are final, and returns it.
func (s *server) ended(j *jobsv1.Job) *jobsv1.Job {
	s.Helper()
	resp, err := s.jobs().Submit(s.Context(), &jobsv1.SubmitRequest{Job: j})
	if err != nil {
		s.Fatal(err)
	}
	s.untilFinal(2 * time.Minute)
	got, err := s.jobs().Get(s.Context(), &jobsv1.GetRequest{Id: resp.GetJob().GetId()})
	if err != nil {
		s.Fatal(err)
	}
	return got.GetJob()
}

func TestAJobThatReachedItsTimeLimitGetsMore(t *testing.T) {
	s := newServer(t)
	j := s.ended(hungry(1, 3*time.Second, &jobsv1.Resources{TimeLimit: durationpb.New(time.Second)}, &jobsv1.RetryPolicy{TimeFactor: proto.Float64(10)}))
	a := j.GetAttempts()
	if j.GetState() != jobsv1.State_STATE_COMPLETED || len(a) != 2 || a[0].GetReason() != jobsv1.Reason_REASON_TIME_LIMIT || a[0].GetResources() != nil ||
		a[1].GetResources().GetTimeLimit().AsDuration() != 10*time.Second || a[1].GetResourcesNote() != "A time limit of 10s, as attempt 1 reached its 1s." {
		t.Errorf("the job: %v", j)
	}
	if !strings.Contains(j.GetUsageNote(), "It had 10s and took 3") {
		t.Errorf("after its end: %q", j.GetUsageNote())
	}
}

// On this machine memory is limited by cgroups of version 2, where there are some.
func TestAJobThatRanOutOfMemoryGetsMore(t *testing.T) {
	s := newServer(t)
	status, err := adminv1.NewStatusServiceClient(s.conn).GetServerStatus(t.Context(), &adminv1.GetServerStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m := status.String(); !strings.Contains(m, "memory is enforced") {
		t.Skipf("memory cannot be limited here: %s", m)
	}
	j := s.ended(hungry(200, 0, nil, &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(8)}))
	a := j.GetAttempts()
	if j.GetState() != jobsv1.State_STATE_COMPLETED || len(a) != 2 || a[0].GetReason() != jobsv1.Reason_REASON_OUT_OF_MEMORY ||
		a[1].GetResources().GetMemoryBytes() != 512<<20 || a[1].GetUsage().GetMaxRssBytes() < 200<<20 {
		t.Errorf("the job: %v", j)
	}
}

// A service that takes advice gives other jobs what the first twenty used, which ask for plenty.
func TestJobsOfAServiceTakeAdvice(t *testing.T) {
	s := newServer(t)
	var batch jobsv1.BatchSubmitRequest
	for range 20 {
		batch.Jobs = append(batch.Jobs, hungry(100, 0, &jobsv1.Resources{MemoryBytes: 256 << 20}, &jobsv1.RetryPolicy{}))
	}
	first, err := s.jobs().BatchSubmit(t.Context(), &batch)
	if err != nil {
		t.Fatal(err)
	}
	if j := first.GetJobs()[0]; j.GetAppliedAdvice() != nil || j.GetResources().GetTimeLimit() != nil {
		t.Errorf("the first job: %v", j)
	}
	s.untilFinal(2 * time.Minute)
	j := s.ended(hungry(100, 0, nil, &jobsv1.RetryPolicy{}))
	memory, a := j.GetResources().GetMemoryBytes(), j.GetAttempts()[0]
	if applied := j.GetAppliedAdvice(); applied.GetSamples() != 20 || applied.GetMemoryBytes() != memory || memory < 110<<20 || memory > 150<<20 ||
		j.GetResources().GetTimeLimit().AsDuration() != time.Minute {
		t.Errorf("asks for %v by %v", j.GetResources(), applied)
	}
	if j.GetState() != jobsv1.State_STATE_COMPLETED || a.GetUsage().GetMaxRssBytes() > memory ||
		!proto.Equal(a.GetResources(), j.GetResources()) || !strings.HasPrefix(a.GetResourcesNote(), "By advice from 20 completed jobs like it: memory of 1") {
		t.Errorf("the job: %v", j)
	}
}

const lambdaReads = "/usr/share/doc/bowtie2/examples/reads/reads_%d.fq.gz"

// someReads returns the first reads of a file of the lambda genome's, and as many of its pairs.
func someReads(t *testing.T, file, n int) []byte {
	t.Helper()
	f, err := os.Open(fmt.Sprintf(lambdaReads, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	lines := bufio.NewScanner(plain)
	for i := 0; i < 4*n && lines.Scan(); i++ {
		out.Write(lines.Bytes())
		out.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// upload puts a file into the workspace.
func (s *server) upload(path string, content []byte) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPut, s.url("/v1/workspace"+path), bytes.NewReader(content))
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		s.Fatalf("upload %s: %s", path, resp.Status)
	}
}

// assembly uploads so many pairs of reads and returns a job that assembles them.
func assembly(t *testing.T, s *server, pairs int) *jobsv1.Job {
	t.Helper()
	p := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for i := 1; i <= 2; i++ {
		path := fmt.Sprintf("/reads/%d_%d.fq", pairs, i)
		s.upload(path, someReads(t, i, pairs))
		p.Fields[fmt.Sprintf("read%d", i)] = structpb.NewStringValue(path)
	}
	return &jobsv1.Job{Service: "GenomeAssembly", Parameters: p, Resources: &jobsv1.Resources{Cpus: 1}}
}

// Twenty assemblies of different sizes say what others need: MEGAHIT does with the memory that is
// advised, which it plans by, and in the time.
func TestAdviceHoldsForRealAssemblies(t *testing.T) {
	if _, err := exec.LookPath("megahit"); err != nil || !exists(t, fmt.Sprintf(lambdaReads, 1)) {
		if required("programs") {
			t.Fatal("needs megahit and bowtie2-examples")
		}
		t.Skip("needs megahit and bowtie2-examples")
	}
	services, err := filepath.Abs("../../services")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "--services", services, "--cpus", "2")
	rng := rand.New(rand.NewPCG(14, 0))
	var batch jobsv1.BatchSubmitRequest
	for i := range 20 {
		batch.Jobs = append(batch.Jobs, assembly(t, s, 500+450*i+rng.IntN(400)))
	}
	if _, err := s.jobs().BatchSubmit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	s.untilFinal(5 * time.Minute)
	s.kill() // what was learned is learned again from the jobs
	s.start()
	for _, pairs := range []int{700, 3210, 9990} {
		j := assembly(t, s, pairs)
		got, err := catalogv1.NewCatalogServiceClient(s.conn).Advise(t.Context(), &catalogv1.AdviseRequest{Service: "GenomeAssembly", Parameters: j.GetParameters()})
		if err != nil {
			t.Fatal(err)
		}
		advice := got.GetAdvice()
		if advice.GetSamples() < 20 || advice.GetMemoryBytes() >= 2<<30 || advice.GetMemoryBytes() == 0 || advice.GetTimeLimit() == nil {
			t.Fatalf("%d pairs: %v", pairs, advice)
		}
		j.Resources.MemoryBytes, j.Resources.TimeLimit = advice.GetMemoryBytes(), advice.GetTimeLimit()
		j = s.ended(j)
		used := j.GetAttempts()[0].GetUsage()
		t.Logf("%d pairs: advised %v; used %v", pairs, advice, used)
		if j.GetState() != jobsv1.State_STATE_COMPLETED || len(j.GetAttempts()) != 1 || used.GetMaxRssBytes() > advice.GetMemoryBytes() ||
			used.GetElapsed().AsDuration() > advice.GetTimeLimit().AsDuration() {
			t.Errorf("%d pairs with %v: %v", pairs, advice, j)
		}
	}
}
