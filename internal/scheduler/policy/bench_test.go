package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// queued has 100,000 waiting jobs of some owners behind a full machine of 128 cores, and jobs of
// many sizes.
func queued(owners int) (*policy.Policy, job.ID) {
	p := policy.New(policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: 128, policy.Memory: 512}}, MaxActivePerOwner: 1000})
	const jobs = 100_000
	for i := range job.ID(jobs) {
		p.Add("a", policy.Job{
			ID: i + 1, Owner: fmt.Sprint("u", int(i)%owners), Priority: int32(i % 3), Limit: time.Duration(1+i%48) * time.Hour, //nolint:gosec // small
			Need: policy.Resources{policy.CPUs: int64(1 + i%17), policy.Memory: int64(1 + i%61)},
		})
	}
	return p, jobs
}

// One start: a job ends, those that fit start, and as many come as left.
func BenchmarkStart(b *testing.B) {
	for _, owners := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("owners=%d", owners), func(b *testing.B) {
			p, last := queued(owners)
			now := start
			var running []job.ID
			fill := func() (n int) {
				for {
					d := p.Next("a", now)
					if d.Start == 0 {
						return n
					}
					p.Start(d.Start, now)
					running = append(running, d.Start)
					n++
				}
			}
			fill()
			b.ReportAllocs()
			b.ResetTimer()
			for started := 0; started < b.N; {
				now = now.Add(time.Second)
				p.Remove(running[0])
				running = running[1:]
				n := fill()
				for range n {
					last++
					p.Add("a", policy.Job{
						ID: last, Owner: fmt.Sprint("u", int(last)%owners), Limit: time.Hour, //nolint:gosec // small
						Need: policy.Resources{policy.CPUs: int64(1 + last%17), policy.Memory: int64(1 + last%61)}, //nolint:gosec // small
					})
				}
				started += n
			}
		})
	}
}

// A waiting job is cancelled and another one comes.
func BenchmarkLeave(b *testing.B) {
	for _, owners := range []int{1, 1000} {
		b.Run(fmt.Sprintf("owners=%d", owners), func(b *testing.B) {
			p, last := queued(owners)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range job.ID(b.N) {
				p.Remove(i + 1)
				p.Add("a", policy.Job{ID: last + i + 1, Owner: fmt.Sprint("u", int(i)%owners), Need: policy.Resources{policy.CPUs: 1}}) //nolint:gosec // small
			}
		})
	}
}

// Why a waiting job waits is asked, by a list or a page.
func BenchmarkWhy(b *testing.B) {
	p, last := queued(1000)
	for d := p.Next("a", start); d.Start != 0; d = p.Next("a", start) {
		p.Start(d.Start, start)
	}
	for i := range job.ID(b.N) {
		p.Why(1+i%last, start)
	}
}
