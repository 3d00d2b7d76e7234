package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// services are the sizes that jobs mostly have: those of a few services.
var services = []policy.Job{
	{Need: policy.Resources{policy.CPUs: 1, policy.Memory: 2}, Limit: time.Hour},
	{Need: policy.Resources{policy.CPUs: 4, policy.Memory: 8}, Limit: 6 * time.Hour},
	{Need: policy.Resources{policy.CPUs: 8, policy.Memory: 64}, Limit: 24 * time.Hour},
	{Need: policy.Resources{policy.CPUs: 2, policy.Memory: 4}},
	{Need: policy.Resources{policy.CPUs: 16, policy.Memory: 32}, Limit: 48 * time.Hour},
}

// nth is the nth job: of one of the services, or of a size that nearly no other has.
func nth(n job.ID, owners int, anySize bool) policy.Job {
	j := services[n%job.ID(len(services))] //nolint:gosec // small
	if anySize {
		j.Need = policy.Resources{policy.CPUs: int64(1 + n%17), policy.Memory: int64(1 + n%61)} //nolint:gosec // small
		j.Limit = time.Duration(1+n%48) * time.Hour                                             //nolint:gosec // small
	}
	j.ID, j.Owner, j.Priority = n, fmt.Sprint("u", int(n)%owners), int32(n%3) //nolint:gosec // small
	return j
}

// queued has 100,000 waiting jobs of some owners for a machine of 128 cores.
func queued(owners int, anySize bool) (*policy.Policy, job.ID) {
	p := policy.New(policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: 128, policy.Memory: 512}}, MaxActivePerOwner: 1000})
	const jobs = 100_000
	for n := job.ID(1); n <= jobs; n++ {
		p.Add("a", nth(n, owners, anySize))
	}
	return p, jobs
}

// One start: a job ends, those that fit start, and as many come as left.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct {
		owners  int
		anySize bool
	}{{1, false}, {1000, false}, {100_000, false}, {1, true}, {1000, true}} {
		owners, anySize := c.owners, c.anySize
		b.Run(fmt.Sprintf("owners=%d,any_size=%t", owners, anySize), func(b *testing.B) {
			p, last := queued(owners, anySize)
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
					p.Add("a", nth(last, owners, anySize))
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
			p, last := queued(owners, false)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range job.ID(b.N) {
				p.Remove(i + 1)
				p.Add("a", policy.Job{ID: last + i + 1, Owner: fmt.Sprint("u", int(i)%owners), Need: policy.Resources{policy.CPUs: 1}}) //nolint:gosec // small
			}
		})
	}
}

// A job comes to a full machine, and cannot start.
func BenchmarkCome(b *testing.B) {
	p, last := queued(1000, true)
	for d := p.Next("a", start); d.Start != 0; d = p.Next("a", start) {
		p.Start(d.Start, start)
	}
	b.ResetTimer()
	for range b.N {
		last++
		j := nth(last, 1000, false)
		j.Need, j.Limit = policy.Resources{policy.CPUs: 100, policy.Memory: 1}, 0
		p.Add("a", j)
		if p.Next("a", start).Start != 0 {
			b.Fatal("it starts")
		}
	}
}

// Why a waiting job waits is asked, by a list or a page.
func BenchmarkWhy(b *testing.B) {
	p, last := queued(1000, false)
	for d := p.Next("a", start); d.Start != 0; d = p.Next("a", start) {
		p.Start(d.Start, start)
	}
	for i := range job.ID(b.N) {
		p.Why(1+i%last, start)
	}
}
