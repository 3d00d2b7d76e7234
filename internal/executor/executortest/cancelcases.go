package executortest

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/workdir"
)

func testTimeLimit(s *suite) {
	if s.TimeLimit == 0 {
		s.t.Skip("the engine keeps no short time limit")
	}
	r := s.attempt(Print("ready"), Hold())
	r.limit(s.TimeLimit)
	e := r.finish()
	if e.Reason != jobsv1.Reason_REASON_TIME_LIMIT {
		s.t.Errorf("ended with %s", describe(e))
	}
	r.wantTimes(e)
	if got := e.End.Sub(e.Start); got < s.TimeLimit {
		s.t.Errorf("ended after %v, before its time limit of %v", got, s.TimeLimit)
	}
}

func testCancelAtOnce(s *suite) {
	r := s.attempt(Hold())
	handle := r.start()
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		s.t.Fatal(err)
	}
	r.wantCancelled(r.wait(r.ctx, r.ex, handle).exit())
}

func testCancelRunning(s *suite) {
	r := s.attempt(Write("partial.txt", "x"), Print("ready"), Hold())
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	if o := w.untilRunning(); o.StartTime.IsZero() || o.EngineID == "" {
		s.t.Errorf("observed %+v, want the time of the start and the engine's id", o)
	}
	r.untilReady()
	for range 2 {
		if err := r.ex.Cancel(r.ctx, handle); err != nil {
			s.t.Fatal(err)
		}
	}
	e := w.exit()
	r.wantCancelled(e)
	r.wantTimes(e)
	if got := r.log(workdir.Stdout); got != "ready\n" {
		s.t.Errorf("a cancelled command's log = %q", got)
	}
	if got := r.output("partial.txt"); got != "x\n" {
		s.t.Errorf("a cancelled command's file = %q", got)
	}
}

func testCancelAfterEnd(s *suite) {
	r := s.attempt(Exit(0))
	handle := r.start()
	r.want(r.wait(r.ctx, r.ex, handle).exit(), 0, 0)
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		s.t.Errorf("Cancel() after the end = %v", err)
	}
	r.want(r.wait(r.ctx, r.ex, handle).exit(), 0, 0)
}

func testCancelIgnoring(s *suite) {
	r := s.attempt(IgnoreTerm(), Print("ready"), Hold())
	handle := r.start()
	w := r.wait(r.ctx, r.ex, handle)
	r.untilReady()
	if err := r.ex.Cancel(r.ctx, handle); err != nil {
		s.t.Fatal(err)
	}
	r.wantCancelled(w.exit())
}

func testCancelTree(s *suite) {
	if s.Simulated || !s.EndsEscaped {
		s.t.Skip("the engine does not end escaped processes")
	}
	for _, ignore := range []bool{false, true} {
		steps := []Step{Leash(), Escape(), Print("ready"), Hold()}
		if ignore {
			steps = append([]Step{IgnoreTerm()}, steps...)
		}
		r := s.attempt(steps...)
		leash := r.leash()
		handle := r.start()
		w := r.wait(r.ctx, r.ex, handle)
		r.untilReady()
		if !r.held(leash) {
			s.t.Fatal("nothing holds the leash while the command runs")
		}
		if err := r.ex.Cancel(r.ctx, handle); err != nil {
			s.t.Fatal(err)
		}
		r.wantCancelled(w.exit())
		if r.held(leash) {
			s.t.Error("a process outlived its cancelled job")
		}
	}
}

func testLeftovers(s *suite) {
	if s.Simulated || !s.EndsEscaped {
		s.t.Skip("the engine does not end escaped processes")
	}
	r := s.attempt(Leash(), Escape(), Exit(3))
	leash := r.leash()
	r.want(r.finish(), 3, 0)
	if r.held(leash) {
		s.t.Error("a process outlived its job")
	}
}
