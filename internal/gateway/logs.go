package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// wantsRawLog reports whether a request for a log wants its bytes and not frames of JSON.
func wantsRawLog(r *http.Request, values url.Values) bool {
	if queryFlag(values, "download", &violations{}) {
		return true
	}
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	media, _, err := mime.ParseMediaType(first)
	return err == nil && media == "text/plain"
}

// serveRawLog answers with the bytes of a log, as text and nothing else. Where
// the middle was dropped because the log was over its size cap, a line says so.
func (g *gateway) serveRawLog(w http.ResponseWriter, r *http.Request, params map[string]string) {
	values := r.URL.Query()
	request := &jobsv1.StreamLogsRequest{Id: params["id"]}
	request.Stream = jobsv1.LogStream(jobsv1.LogStream_value[params["stream"]])
	stream, err := g.openLog(r, request, values)
	var first *jobsv1.StreamLogsResponse
	if err == nil {
		first, err = stream.Recv()
	}
	empty := errors.Is(err, io.EOF) // a log without a frame
	if err != nil && !empty {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	name := strings.ToLower(strings.TrimPrefix(request.GetStream().String(), "LOG_STREAM_"))
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Content-Disposition", disposition(queryFlag(values, "download", &violations{}), "job-"+request.GetId()+"-"+name+".txt"))
	if empty {
		return
	}
	if err := copyLog(w, stream, first); err != nil {
		g.breakOff(r.Context(), name+" of job "+request.GetId(), err)
	}
}

// openLog calls StreamLogs with what the query asks for.
func (g *gateway) openLog(r *http.Request, request *jobsv1.StreamLogsRequest, values url.Values) (jobsv1.JobService_StreamLogsClient, error) {
	if err := runtime.PopulateQueryParameters(request, values, utilities.NewDoubleArray(nil)); err != nil {
		return nil, err
	}
	ctx, err := g.callContext(r, jobsv1.JobService_StreamLogs_FullMethodName)
	if err != nil {
		return nil, err
	}
	return g.jobs.StreamLogs(ctx, request)
}

// copyLog writes the bytes of a log as they come, from its first frame on.
func copyLog(w http.ResponseWriter, stream jobsv1.JobService_StreamLogsClient, frame *jobsv1.StreamLogsResponse) error {
	control := http.NewResponseController(w)
	next := frame.GetOffset()
	for {
		if dropped := frame.GetOffset() - next; dropped > 0 && len(frame.GetData()) > 0 {
			if _, err := fmt.Fprintf(w, "\n[stint: %d bytes were dropped here, the output was over its size cap]\n", dropped); err != nil {
				return err
			}
		}
		if len(frame.GetData()) > 0 {
			next = frame.GetOffset() + int64(len(frame.GetData()))
		}
		if _, err := w.Write(frame.GetData()); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		var err error
		if frame, err = stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
