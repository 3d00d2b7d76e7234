package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// WatchStatus does what the contract says: a snapshot, or the changes behind a
// cursor; a new snapshot when that is too long ago.
func (f *fake) WatchStatus(req *jobsv1.WatchStatusRequest, s grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
	after, err := revisionOf(req.GetAfterCursor())
	if err != nil {
		return err
	}
	f.mu.Lock()
	for _, id := range req.GetIds() {
		if f.find(id) == nil && after == 0 {
			f.mu.Unlock()
			return errNoJob
		}
	}
	old := f.oldest
	f.mu.Unlock()
	if after > 0 && after < old {
		if err := s.Send(&jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Restarted{Restarted: &jobsv1.Restarted{}}}); err != nil {
			return err
		}
		after = 0
	}
	if after == 0 {
		if after, err = f.sendSnapshot(req, s); err != nil {
			return err
		}
	}
	for {
		f.mu.Lock()
		wait, news, done := f.changed, f.newsAfter(req, after), f.allFinal(req)
		f.mu.Unlock()
		for _, c := range news {
			after = c.revision
			if err := s.Send(frameOf(c)); err != nil {
				return err
			}
		}
		if done && req.GetUntilFinal() {
			return nil
		}
		select {
		case <-wait:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// cursorOf is how the fake writes a cursor.
func cursorOf(revision uint64) string { return fmt.Sprintf("behind-%d", revision) }

func revisionOf(cursor string) (revision uint64, err error) {
	if cursor == "" {
		return 0, nil
	}
	if _, err := fmt.Sscanf(cursor, "behind-%d", &revision); err != nil {
		return 0, invalid(violation("afterCursor", "is no cursor of a watch"))
	}
	return revision, nil
}

func frameOf(c fakeChange) *jobsv1.WatchStatusResponse {
	if c.job == nil {
		return &jobsv1.WatchStatusResponse{Cursor: cursorOf(c.revision), Event: &jobsv1.WatchStatusResponse_Removed{Removed: &jobsv1.Removed{Id: c.id}}}
	}
	return &jobsv1.WatchStatusResponse{Cursor: cursorOf(c.revision), Event: &jobsv1.WatchStatusResponse_Job{Job: c.job}}
}

func watched(req *jobsv1.WatchStatusRequest, id string) bool {
	return len(req.GetIds()) == 0 || slices.Contains(req.GetIds(), id)
}

func (f *fake) newsAfter(req *jobsv1.WatchStatusRequest, after uint64) []fakeChange {
	var news []fakeChange
	for _, c := range f.changes {
		if c.revision > after && watched(req, c.id) {
			news = append(news, c)
		}
	}
	return news
}

func (f *fake) allFinal(req *jobsv1.WatchStatusRequest) bool {
	for _, id := range req.GetIds() {
		if j := f.find(id); j != nil && !finalState(j.GetState()) {
			return false
		}
	}
	return true
}

func (f *fake) sendSnapshot(req *jobsv1.WatchStatusRequest, s grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) (uint64, error) {
	f.mu.Lock()
	at := f.revision
	frames := []*jobsv1.WatchStatusResponse{{Event: &jobsv1.WatchStatusResponse_SnapshotBegin{SnapshotBegin: &jobsv1.SnapshotBegin{}}}}
	for _, j := range f.jobs {
		if j == nil || !watched(req, j.GetId()) {
			continue
		}
		last := f.changes[slices.IndexFunc(f.changes, func(c fakeChange) bool { return c.revision == j.GetRevision() })]
		frames = append(frames, &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Job{Job: last.job}})
	}
	f.mu.Unlock()
	frames = append(frames, &jobsv1.WatchStatusResponse{Cursor: cursorOf(at), Event: &jobsv1.WatchStatusResponse_SnapshotEnd{SnapshotEnd: &jobsv1.SnapshotEnd{}}})
	for _, frame := range frames {
		if err := s.Send(frame); err != nil {
			return 0, err
		}
	}
	f.note("whole snapshot")
	return at, nil
}

// StreamLogs sends a log in frames of at most 8 bytes, so that cuts fall in the middle.
func (f *fake) StreamLogs(req *jobsv1.StreamLogsRequest, s grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
	offset := req.GetOffset()
	for first := true; ; first = false {
		f.mu.Lock()
		j := f.find(req.GetId())
		if j == nil {
			f.mu.Unlock()
			return errNoJob
		}
		attempt := int(req.GetAttempt())
		if attempt == 0 {
			attempt = len(j.stdout)
		}
		text, over := "", finalState(j.GetState()) || attempt > 0 && attempt < len(j.stdout) || j.GetReason() == jobsv1.Reason_REASON_WAITING_FOR_RETRY
		if attempt > 0 {
			text = j.stdout[attempt-1]
			if req.GetStream() == jobsv1.LogStream_LOG_STREAM_STDERR {
				text = j.stderr[attempt-1]
			}
		}
		wait := f.changed
		f.mu.Unlock()
		if first && req.GetTailLines() > 0 {
			offset = tailOffset(text, int(req.GetTailLines()))
		}
		for int(offset) < len(text) {
			n := min(8, len(text)-int(offset))
			frame := &jobsv1.StreamLogsResponse{Offset: offset, Data: []byte(text[offset : int(offset)+n]), SizeBytes: int64(len(text))}
			if err := s.Send(frame); err != nil {
				return err
			}
			offset += int64(n)
		}
		if over || !req.GetFollow() {
			return nil
		}
		select {
		case <-wait:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

func tailOffset(text string, lines int) int64 {
	all := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	skip := max(0, len(all)-lines)
	return int64(len(strings.Join(all[:skip], "")))
}

func (f *fake) ListResults(_ context.Context, req *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.find(req.GetId())
	if j == nil {
		return nil, errNoJob
	}
	res := &jobsv1.ListResultsResponse{ResultFolder: j.GetResultFolder()}
	for _, r := range j.results {
		res.Files = append(res.Files, &jobsv1.ResultFile{Path: r.path, SizeBytes: int64(len(r.content)), ContentType: "text/plain"})
	}
	return res, nil
}

func (f *fake) ReadResult(req *jobsv1.ReadResultRequest, s grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
	f.mu.Lock()
	j := f.find(req.GetId())
	i := -1
	if j != nil {
		i = slices.IndexFunc(j.results, func(r fakeResult) bool { return r.path == req.GetPath() })
	}
	f.mu.Unlock()
	if i < 0 {
		return refuse(codes.NotFound, "NOT_FOUND", "There is no such result file.")
	}
	content := j.results[i].content
	if err := s.Send(&jobsv1.ReadResultResponse{File: &jobsv1.ResultFile{Path: req.GetPath(), SizeBytes: int64(len(content))}}); err != nil {
		return err
	}
	for at := 0; at < len(content); at += 8 {
		part := content[at:min(at+8, len(content))]
		if err := s.Send(&jobsv1.ReadResultResponse{Offset: int64(at), Data: []byte(part)}); err != nil {
			return err
		}
	}
	return nil
}
