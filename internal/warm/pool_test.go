package warm

import (
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crowd has so many functions run at once, each until release is closed.
func crowd(p *Pool, n int, release chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { p.Do(func() { <-release }) })
	}
	return &wg
}

// However many come at once, all run; as many goroutines as were set are kept, and used again.
func TestAtMostSoManyAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(3)
		for range 2 {
			release := make(chan struct{})
			all := crowd(p, 10, release)
			synctest.Wait()
			if p.count != 3 || len(p.idle) != 0 {
				t.Errorf("%d are kept, %d of them idle, while ten are busy", p.count, len(p.idle))
			}
			close(release) // all ten go on, so that all ten ran
			all.Wait()
			if p.count != 3 || len(p.idle) != 3 {
				t.Errorf("%d are kept, %d of them idle, when all is done", p.count, len(p.idle))
			}
		}
		p.Close()
	})
}

// One after the other needs one goroutine, which is another than the caller's.
func TestTheLastIsUsedAgain(t *testing.T) {
	p := New(3)
	defer p.Close()
	ran := 0
	for range 100 {
		p.Do(func() { ran++ })
	}
	if ran != 100 || p.count != 1 {
		t.Errorf("%d of 100 ran, on %d goroutines", ran, p.count)
	}
}

// Those that are busy when the pool is closed end when they are not; what comes later is still run.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails when a goroutine is left
		p := New(3)
		first := make(chan struct{})
		one := crowd(p, 1, first)
		close(first)
		one.Wait()
		release := make(chan struct{})
		all := crowd(p, 2, release)
		synctest.Wait()
		p.Close()
		ran := false
		p.Do(func() { ran = true })
		if !ran || p.count != 2 {
			t.Errorf("what came after Close ran: %t; %d were started", ran, p.count)
		}
		close(release)
		all.Wait()
		if len(p.idle) != 0 {
			t.Errorf("%d are kept after Close", len(p.idle))
		}
	})
}

func TestNoPool(t *testing.T) {
	var p *Pool
	ran := false
	p.Do(func() { ran = true })
	p.Close()
	if !ran {
		t.Error("without a pool nothing runs")
	}
}

func BenchmarkDo(b *testing.B) {
	p := New(4)
	defer p.Close()
	n := 0
	f := func() { n++ }
	b.ReportAllocs()
	for b.Loop() {
		p.Do(f)
	}
}
