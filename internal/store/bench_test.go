package store_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// benchJobs is how many jobs the benchmarks of reads store; -short takes fewer.
func benchJobs() int {
	if testing.Short() {
		return 20_000
	}
	return 1_000_000
}

// benchJob is a job of about 250 bytes hot and 350 cold.
func benchJob(n int) *jobsv1.Job {
	return &jobsv1.Job{
		Service: fmt.Sprint("GenomeService", n%17), OutputName: fmt.Sprint("sample-", n, "-phage"), OutputFolder: "/home/run1", Executor: "local",
		Resources: &jobsv1.Resources{Cpus: 4, MemoryBytes: 8 << 30}, Priority: int32(n % 5),
		Labels: map[string]string{"project": fmt.Sprint("p", n%100)},
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
			"reads": structpb.NewStringValue(strings.Repeat("/home/reads/", 20)), "k": structpb.NewNumberValue(21),
		}},
	}
}

var (
	bigOnce sync.Once
	bigPath string
)

// bigStore opens a store of benchJobs jobs, most of them finished, made once for all benchmarks.
func bigStore(b *testing.B) *store.Store {
	b.Helper()
	bigOnce.Do(func() { bigPath = fillBig(b) })
	s, err := store.Open(store.Config{Path: bigPath})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func fillBig(b *testing.B) string {
	b.Helper()
	path := filepath.Join(bigFolder, "jobs.db")
	s, err := store.Open(store.Config{Path: path}.WithoutSync())
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for n := 0; n < benchJobs(); n += 1000 {
		jobs := make([]*jobsv1.Job, 1000)
		for i := range jobs {
			jobs[i] = benchJob(n + i)
		}
		owner := fmt.Sprint("user", (n/1000)%200)
		o := store.SubmitOptions{Owner: owner, RequestID: fmt.Sprint("request", n), RequestHash: make([]byte, 32)}
		if _, _, err := s.Submit(b.Context(), jobs, o); err != nil {
			b.Fatal(err)
		}
	}
	last := s.Stats().Jobs - 2000
	for n := 0; n < last; n += 1000 {
		ids := make([]job.ID, 1000)
		for i := range ids {
			ids[i] = job.ID(n + i + 1)
		}
		state := completed
		if n%50_000 == 0 {
			state = failed
		}
		for _, st := range []jobsv1.State{running, state} {
			if _, err := s.UpdateMany(b.Context(), store.Everyone, ids, into(st)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Logf("%d jobs stored in %v, file of %d MB", s.Stats().Jobs, time.Since(start), s.Size()>>20)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

func BenchmarkSubmit(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		for _, audited := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/audited=%v", callers, audited), func(b *testing.B) { benchSubmit(b, callers, audited) })
		}
	}
}

func benchSubmit(b *testing.B, callers int, audited bool) {
	b.Helper()
	s, err := store.Open(store.Config{Path: filepath.Join(b.TempDir(), "jobs.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b.ReportAllocs()
	run(b, callers, func(n int) error {
		ctx := b.Context()
		if audited {
			ctx = store.WithAudit(ctx, &storev1.AuditEntry{
				User: "ada", How: "token", CredentialId: "k3jf82nd", Address: "192.0.2.17", Method: jobsv1.JobService_Submit_FullMethodName,
			})
		}
		_, _, err := s.Submit(ctx, []*jobsv1.Job{benchJob(n)}, store.SubmitOptions{Owner: "ada", RequestID: strconv.Itoa(n)})
		return err
	})
	st := s.Stats()
	b.ReportMetric(float64(st.Changes)/float64(st.Commits), "jobs/commit")
	b.ReportMetric(float64(st.FileBytes)/float64(b.N), "file-B/job")
}

// run does b.N operations by as many callers.
func run(b *testing.B, callers int, do func(n int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func BenchmarkLifecycle(b *testing.B) {
	s, err := store.Open(store.Config{Path: filepath.Join(b.TempDir(), "jobs.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b.ReportAllocs()
	run(b, 256, func(n int) error {
		jobs, _, err := s.Submit(b.Context(), []*jobsv1.Job{benchJob(n)}, store.SubmitOptions{Owner: "ada"})
		if err != nil {
			return err
		}
		id, err := job.ParseID(jobs[0].GetId())
		if err != nil {
			return err
		}
		for _, fn := range []func(*storev1.Record) error{
			func(r *storev1.Record) error {
				r.Phase = storev1.Phase_PHASE_STARTING
				r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: 1, Executor: "local", CreateTime: r.Job.GetSubmitTime()})
				return nil
			},
			into(running), into(completed),
		} {
			if _, err := s.Update(b.Context(), store.Everyone, id, fn); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportMetric(float64(s.Size())/float64(b.N), "file-B/job")
}

func BenchmarkOpen(b *testing.B) {
	_ = bigStore(b).Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var s *store.Store
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if s, err = store.Open(store.Config{Path: bigPath}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		jobs := s.Stats().Jobs
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/float64(jobs), "heap-B/job")
		b.StartTimer()
	}
}

func BenchmarkGet(b *testing.B) {
	s := bigStore(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if _, err := s.Get(store.Everyone, job.ID(1+n*7919%benchJobs())); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s := bigStore(b)
	byName := func(e *store.Entry) bool { return strings.Contains(e.OutputName(), "-77") }
	rare := func(e *store.Entry) bool { return e.Priority() == 3 && strings.HasSuffix(e.OutputName(), "123-phage") }
	for name, q := range map[string]store.Query{
		"all":            {Scope: store.Everyone},
		"owner":          {Scope: store.OwnedBy("user7")},
		"state":          {Scope: store.Everyone, States: []jobsv1.State{running, queued}},
		"owner+state":    {Scope: store.OwnedBy("user7"), States: []jobsv1.State{failed}},
		"service":        {Scope: store.Everyone, Service: "GenomeService3"},
		"service+failed": {Scope: store.Everyone, Service: "GenomeService3", States: []jobsv1.State{failed}},
		"name":           {Scope: store.Everyone, Match: byName, MatchKey: "name"},
		"name-unkept":    {Scope: store.Everyone, Match: byName},
		"owner+name":     {Scope: store.OwnedBy("user7"), Match: byName, MatchKey: "name"},
		"rare":           {Scope: store.Everyone, Match: rare, MatchKey: "rare"},
		"rare-unkept":    {Scope: store.Everyone, Match: rare},
		"by-name":        {Scope: store.Everyone, Order: []store.Order{{Field: store.ByOutputName}}},
		"by-end":         {Scope: store.Everyone, Order: []store.Order{{Field: store.ByCompleteTime, Desc: true}}},
		"owner-by-end":   {Scope: store.OwnedBy("user7"), Order: []store.Order{{Field: store.ByCompleteTime, Desc: true}}},
	} {
		q.Limit = 50
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Page(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSummarize(b *testing.B) {
	s := bigStore(b)
	for name, scope := range map[string]store.Scope{"all": store.Everyone, "owner": store.OwnedBy("user7")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Summarize(scope)
			}
		})
	}
}

// BenchmarkChanges has many watchers read after each change, of one owner or of an owner each.
func BenchmarkChanges(b *testing.B) {
	const watchers = 10_000
	for name, owned := range map[string]bool{"one owner": false, "an owner each": true} {
		b.Run(name, func(b *testing.B) {
			s, err := store.Open(store.Config{Path: filepath.Join(b.TempDir(), "jobs.db")}.WithoutSync())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			owner := func(n int) string {
				if owned {
					return fmt.Sprint("user", n)
				}
				return "ada"
			}
			for n := range watchers {
				if _, _, err := s.Submit(b.Context(), []*jobsv1.Job{benchJob(n)}, store.SubmitOptions{Owner: owner(n)}); err != nil {
					b.Fatal(err)
				}
			}
			after := s.Revision()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Update(b.Context(), store.Everyone, 1, func(r *storev1.Record) error {
					r.Job.Message = strconv.FormatUint(after, 10)
					return nil
				}); err != nil {
					b.Fatal(err)
				}
				for n := range watchers {
					if _, err := s.Changes(store.Watch{Scope: store.OwnedBy(owner(n))}, after, 0); err != nil {
						b.Fatal(err)
					}
				}
				after = s.Revision()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/watchers, "ns/watcher")
		})
	}
}
