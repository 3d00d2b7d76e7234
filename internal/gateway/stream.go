package gateway

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)

// streamKey finds the streamWriter in the context of a call.
type streamKey struct{}

// serveStream answers with a stream of frames, as server-sent events or lines of JSON.
func (g *gateway) serveStream(w http.ResponseWriter, r *http.Request, params map[string]string, next runtime.HandlerFunc) {
	media := ndjson
	if wantsEvents(r.Header) {
		media = eventStream
		r.Header.Set("Accept", eventStream)
	} else {
		r.Header.Del("Accept")
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("X-Accel-Buffering", "no")

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stream := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w), cancel: cancel}
	ctx = context.WithValue(ctx, streamKey{}, stream)
	next(stream, r.WithContext(ctx), params)

	switch {
	case stream.problem != nil && !stream.started:
		g.refuse(w, r, stream.problem)
		return
	case stream.problem == nil && media == eventStream && r.Context().Err() == nil:
		stream.over()
	}
	stream.send()
}

// over tells an EventSource that the stream is over for good: it opens a stream again that only ends. Where there was
// nothing to send, 204 has it stop by itself (HTML, 9.2.3); after events there is one more, at which it is to be closed.
func (s *streamWriter) over() {
	if !s.started && s.frame.Len() == 0 {
		s.Header().Del("Content-Type")
		s.ResponseWriter.WriteHeader(http.StatusNoContent)
		return
	}
	s.frame.WriteString("event: end\ndata: {}\n\n")
}

// wantsEvents reports whether the request accepts server-sent events.
func wantsEvents(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		if media, _, err := mime.ParseMediaType(part); err == nil && media == eventStream {
			return true
		}
	}
	return false
}

// streamWriter stands between grpc-gateway and the client for the time of a
// stream. It sends whole frames only, each in one piece, and keeps an error that
// comes before the first frame, so that it can be answered like any other.
type streamWriter struct {
	http.ResponseWriter

	control *http.ResponseController
	cancel  context.CancelFunc
	frame   bytes.Buffer
	// started is whether a frame was sent.
	started bool
	// broken is whether the client no longer takes frames.
	broken bool
	// problem is the error that ended the stream.
	problem *problem
}

// WriteHeader does nothing: a stream that has frames is a success, and one that has none is answered by serveStream.
func (s *streamWriter) WriteHeader(int) {}

// Write adds to the frame that Flush will send.
func (s *streamWriter) Write(p []byte) (int, error) { return s.frame.Write(p) }

// FlushError sends the frame. When the client does not take it in time the call is
// cancelled, which ends the stream in an orderly way; grpc-gateway would only complain.
func (s *streamWriter) FlushError() error {
	s.send()
	return nil
}

func (s *streamWriter) send() {
	if s.broken || s.frame.Len() == 0 {
		return
	}
	s.started = true
	_, err := s.ResponseWriter.Write(s.frame.Bytes())
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil {
		s.broken = true
		s.cancel()
	}
	if s.frame.Reset(); s.frame.Cap() > pieceBytes {
		s.frame = bytes.Buffer{} // a stream lives long, and most of its frames are small
	}
}
