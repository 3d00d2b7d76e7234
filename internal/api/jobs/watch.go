package jobs

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/notify"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/weight"
)

// recentFinal is how many finished jobs a snapshot of an owner has.
const recentFinal = 200

// changesAtOnce bounds what a watcher reads from the store at a time.
const changesAtOnce = 500

// WatchStatus streams every change of the watched jobs, in the order of their
// revisions, strictly after the revision it resumes from. It subscribes, then
// reads, then waits: signals say that something changed, the store says what.
func (s *Service) WatchStatus(req *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
	w, err := s.newWatcher(stream, req)
	if err != nil {
		return err
	}
	sub := s.cfg.Store.Hub().Subscribe(w.keys...)
	defer sub.Close()
	return w.run(stream.Context(), sub)
}

// watcher is one stream of WatchStatus.
type watcher struct {
	*Service
	stream    grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]
	sel       selection
	what      store.Watch
	lent      map[job.ID]bool // watched jobs that are somebody else's and shared with the caller
	keys      []store.Key
	one       [1]store.Key // of keys, where there is one
	start     start
	after     uint64            // revision up to which everything was sent
	ahead     map[string]uint64 // revisions that the snapshot showed already, of jobs that changed while it was read
	changes   bool
	counts    bool
	last      *jobsv1.Summary // counts as last sent
	untilEnd  bool
	final     int // how many of the watched jobs, from the first, are known to be final
	every     time.Duration
	lastFrame time.Time
	silence   time.Duration // after which there is a heartbeat
	due       time.Time     // when alarm wakes the watcher, for there may have to be a heartbeat
	alarm     *time.Timer   // of run
}

func (s *Service) newWatcher(stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse], req *jobsv1.WatchStatusRequest) (*watcher, error) {
	w := &watcher{Service: s, stream: stream, untilEnd: req.GetUntilFinal()}
	if err := w.resumeFrom(req); err != nil {
		return nil, err
	}
	switch req.GetView() {
	case jobsv1.WatchView_WATCH_VIEW_UNSPECIFIED, jobsv1.WatchView_WATCH_VIEW_CHANGES:
		w.changes = true
	case jobsv1.WatchView_WATCH_VIEW_COUNTS:
		w.counts = true
	case jobsv1.WatchView_WATCH_VIEW_CHANGES_AND_COUNTS:
		w.changes, w.counts = true, true
	default:
		return nil, job.Invalid("view", "is not a view of a watch")
	}
	ids := req.GetIds()
	if req.GetId() != "" {
		ids = append([]string{req.GetId()}, ids...)
	}
	if w.untilEnd && len(ids) == 0 {
		return nil, job.Invalid("untilFinal", "needs ids")
	}
	sel, err := s.selection(stream.Context(), req, ids)
	if err != nil {
		return nil, err
	}
	w.sel, w.what = sel, store.Watch{Scope: sel.scope, IDs: sel.ids}
	if sel.ids != nil {
		return w, w.watchIDs(ids)
	}
	w.every = w.cfg.WatchEvery
	if sel.scope.All {
		w.one[0] = store.KeyAll()
	} else {
		w.one[0] = store.KeyOwner(sel.scope.Owner)
	}
	w.keys = w.one[:]
	return w, nil
}

// watchIDs subscribes to jobs, all of which must be there.
func (w *watcher) watchIDs(texts []string) error {
	found, missing, err := w.cfg.Store.GetMany(w.sel.scope, w.sel.ids, jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
	if err != nil {
		return err
	}
	for i, id := range w.sel.ids {
		if len(missing) > 0 && id == missing[0] {
			return noJob(texts[i])
		}
		w.keys = append(w.keys, store.KeyJob(id))
	}
	w.lent = lentIn(w.sel.scope, found)
	return nil
}

// run sends until the client goes away, the server drains, or all watched jobs are final.
//
// Whatever there is to do, it hears of it by its subscription: the store wakes it for changes, a timer when a heartbeat may
// be due, Drain at the end. Beside that it waits for its client alone: each further thing that an idle watcher waited for would
// be memory, and work for the collector.
func (w *watcher) run(ctx context.Context, sub *notify.Subscription[store.Key]) error {
	if w.start != resumed || w.after > w.cfg.Store.Revision() { // a revision of the future is one of another database
		if err := w.restart(ctx, w.start != anew); err != nil {
			return err
		}
	}
	// The first heartbeat comes early, at a time of its own, so that streams that were opened together, such as all of them after a
	// restart, do not beat together for ever.
	w.silence = 1 + rand.N(w.cfg.Heartbeat)
	w.due = time.Now().Add(w.silence)
	w.alarm = time.AfterFunc(w.silence, sub.Wake)
	defer w.alarm.Stop()
	var read time.Time
	for {
		now := time.Now()
		if now.Before(w.due) {
			read = now // what it reads because of its alarm does not count: a change soon after that is still the first after a silence
		}
		done, err := w.catchUp(ctx)
		if err != nil || done {
			return err
		}
		if err := w.beat(now); err != nil {
			return err
		}
		if w.drained() {
			return &job.UserError{
				Sentinel: job.ErrUnavailable, RetryAfter: time.Second,
				Message: "The server is about to stop; watch again after the last cursor.",
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sub.C():
		}
		// The watcher of many jobs does not read too soon after the last time.
		if err := pause(ctx, w.every-time.Since(read)); err != nil {
			return err
		}
	}
}

// beat sends a heartbeat when nothing was sent for as long as a stream may be silent. It says how far the watcher has read, also
// where others' changes were all there was.
func (w *watcher) beat(now time.Time) error {
	if now.Before(w.due) {
		return nil
	}
	silent := now.Sub(w.lastFrame) >= w.silence
	w.silence = w.cfg.Heartbeat // but for the first
	if silent {
		if err := w.send(w.cursor(), &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Heartbeat{
			Heartbeat: &jobsv1.Heartbeat{Time: timestamppb.Now()},
		}}); err != nil {
			return err
		}
	}
	w.due = w.lastFrame.Add(w.silence)
	w.alarm.Reset(time.Until(w.due))
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp sends everything since the last time and reports whether the watch is over.
func (w *watcher) catchUp(ctx context.Context) (done bool, err error) {
	if err := w.takeBack(); err != nil {
		return false, err
	}
	for w.changes {
		ch, err := w.cfg.Store.Changes(w.what, w.after, changesAtOnce)
		if err != nil {
			return false, err
		}
		if ch.Reset {
			if err := w.restart(ctx, true); err != nil {
				return false, err
			}
			continue
		}
		for _, c := range ch.List {
			if err := w.sendChange(c); err != nil {
				return false, err
			}
		}
		if w.after = ch.UpTo; !ch.More {
			break
		}
	}
	if err := w.sendCounts(ctx); err != nil {
		return false, err
	}
	return w.allFinal()
}

func (w *watcher) sendChange(c *store.Change) error {
	id := c.ID.String()
	if seen, ok := w.ahead[id]; ok && c.Revision <= seen || !w.maySend(c.ID) {
		return nil
	}
	removed := &jobsv1.WatchStatusResponse_Removed{Removed: &jobsv1.Removed{Id: id}}
	f := &jobsv1.WatchStatusResponse{Cursor: w.cfg.Pages.Cursor(c.Revision), Event: removed}
	switch {
	case c.Job == nil:
	case w.sel.filter.fits(c.Job):
		f.Event = &jobsv1.WatchStatusResponse_Job{Job: c.Job}
	case c.Before != nil && w.sel.filter.fits(c.Before):
		return w.send(f.GetCursor(), f) // it is removed for this watcher alone
	default:
		return nil
	}
	w.lastFrame = time.Now()
	return w.stream.SendMsg(&Frame{WatchStatusResponse: f, Bytes: c.Share(func() []byte {
		b, err := proto.Marshal(f)
		if err != nil {
			return nil // then each is encoded by itself, and hears of the error
		}
		return b
	})})
}

// Frame is a message of a watch with its bytes, which many streams share. The codec of
// package api writes it.
type Frame struct {
	*jobsv1.WatchStatusResponse
	Bytes []byte // nil when it could not be encoded
}

// recountAt is how much more often than it counts a watcher rests.
const recountAt = 10

func (w *watcher) sendCounts(ctx context.Context) error {
	if !w.counts {
		return nil
	}
	begin := time.Now()
	sum, revision, err := w.count(ctx, w.sel)
	if err != nil {
		return err
	}
	if w.sel.filter != nil {
		w.every = max(w.every, recountAt*time.Since(begin))
	}
	if !w.changes { // otherwise the changes say how far this is: one may have been committed since they were read
		w.after = max(w.after, revision)
	}
	if w.last != nil && proto.Equal(w.last.GetTotal(), sum.GetTotal()) && sameServices(w.last, sum) {
		return nil
	}
	w.last = sum
	return w.send(w.cursor(), &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Counts{Counts: sum}})
}

func sameServices(a, b *jobsv1.Summary) bool {
	if len(a.GetServices()) != len(b.GetServices()) {
		return false
	}
	for name, n := range a.GetServices() {
		if !proto.Equal(n, b.GetServices()[name]) {
			return false
		}
	}
	return true
}

// allFinal reports whether the watch lasts until all its jobs are final, and they are, and that was sent. What is final stays
// so: it looks at one job after the other, and at each time only at the first that is not known to be.
func (w *watcher) allFinal() (bool, error) {
	if !w.untilEnd {
		return false, nil
	}
	for ; w.final < len(w.what.IDs); w.final++ {
		jobs, missing, err := w.cfg.Store.GetMany(w.what.Scope, w.what.IDs[w.final:w.final+1], jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
		if err != nil || slices.ContainsFunc(missing, func(id job.ID) bool { return w.lent[id] }) {
			return false, err // takeBack tells of those that are missing
		}
		for _, j := range jobs {
			if !job.Terminal(j.GetState()) || j.GetRevision() > w.after {
				return false, nil
			}
		}
	}
	return true, nil
}

// cursor returns the cursor behind all that was sent.
func (w *watcher) cursor() string { return w.cfg.Pages.Cursor(w.after) }

func (w *watcher) send(cursor string, f *jobsv1.WatchStatusResponse) error {
	f.Cursor = cursor
	w.lastFrame = time.Now()
	return w.stream.Send(f)
}

// lastEventID is how browsers say where a stream of server-sent events broke off.
const lastEventID = "last-event-id"

// start is how a watch begins.
type start int

const (
	anew      start = iota // with a snapshot
	resumed                // after a revision
	restarted              // with a snapshot, for the cursor is of another incarnation
)

// resumeFrom sets where the watch begins.
func (w *watcher) resumeFrom(req *jobsv1.WatchStatusRequest) error {
	text := req.GetAfterCursor()
	if v := metadata.ValueFromIncomingContext(w.stream.Context(), lastEventID); text == "" && len(v) > 0 {
		text = v[0]
	}
	if text == "" {
		return nil
	}
	after, ours, err := w.cfg.Pages.OpenCursor(text)
	switch {
	case err != nil:
		return err
	case ours:
		w.start, w.after = resumed, after
	default:
		w.start = restarted
	}
	return nil
}
