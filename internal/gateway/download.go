package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/reason"
)

// serveFile answers a request for the bytes of files.
func (g *gateway) serveFile(w http.ResponseWriter, r *http.Request, route fileRoute) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !read && !(route.kind == workspaceFile && r.Method == http.MethodPut) {
		w.Header().Set("Allow", "GET, HEAD")
		if route.kind == workspaceFile {
			w.Header().Set("Allow", "DELETE, GET, HEAD, PUT")
		}
		g.refuse(w, r, methodNotAllowed())
		return
	}
	if p := g.authenticate(r, route.method(r)); p != nil {
		g.refuse(w, r, p)
		return
	}
	values, p := parseQuery(r.URL.RawQuery)
	if p == nil && !validText(route.id) {
		p = invalid("id", "must be text in UTF-8 without NUL")
	}
	path := ""
	if p == nil && route.kind != resultArchive {
		path, p = route.filePath()
	}
	if p != nil {
		g.refuse(w, r, p)
		return
	}
	switch {
	case r.Method == http.MethodPut:
		g.upload(w, r, path, values)
	case route.kind == workspaceFile:
		g.download(w, r, route, g.workspaceOpener(path), values)
	case route.kind == resultFile:
		g.download(w, r, route, g.resultOpener(route.id, path), values)
	default:
		g.downloadArchive(w, r, route.id, values)
	}
}

// method is the RPC behind a request for the bytes of files: of an archive, the one that each of its files is read by.
func (f fileRoute) method(r *http.Request) string {
	switch {
	case f.kind != workspaceFile:
		return jobsv1.JobService_ReadResult_FullMethodName
	case r.Method == http.MethodPut:
		return workspacev1.WorkspaceService_Upload_FullMethodName
	default:
		return workspacev1.WorkspaceService_Download_FullMethodName
	}
}

// maxRanges is how many ranges of one request are answered apart: each costs a call.
const maxRanges = 16

// download sends a file, or its reader to where it is shown.
func (g *gateway) download(w http.ResponseWriter, r *http.Request, route fileRoute, open opener, values url.Values) {
	if p := checkOwnQuery(values, "download"); p != nil {
		g.refuse(w, r, p)
		return
	}
	save := queryFlag(values, "download", &violations{})
	g.send(w, r, route.method(r), open, func(info fileInfo) bool {
		if !save && g.content.redirect(w, r, route, info) {
			return false
		}
		setFileHeaders(w.Header(), r, info, save)
		return true
	})
}

// send sends a file, in whole or in ranges, conditionally if asked. It calls headers once it knows the file, and sends nothing of it
// where that returns false.
func (g *gateway) send(w http.ResponseWriter, r *http.Request, method string, open opener, headers func(fileInfo) bool) {
	ctx, err := g.callContext(r, method)
	if err != nil {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r.Header.Del("Range")
	}
	conditional := r.Header.Get("Range")+r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != ""
	f, err := openFile(ctx, open, r.Method == http.MethodGet && !conditional)
	if err != nil {
		g.refuse(w, r, g.problemOf(ctx, err))
		return
	}
	defer f.Close()
	if wantsDigest(r.Header) {
		sum, err := f.digest()
		if err != nil {
			g.refuse(w, r, g.problemOf(ctx, err))
			return
		}
		w.Header().Set(reprDigest, sum)
	}
	if !headers(f.info) {
		return
	}
	content := &contentWriter{ResponseWriter: w}
	http.ServeContent(content, r, "", f.info.modified, f)
	if content.unsatisfiable {
		g.refuse(w, r, newProblem(reason.RangeNotSatisfiable, "The file ends before the range that was asked for."))
	}
	if f.err != nil {
		g.breakOff(ctx, f.info.path, f.err)
	}
}

// contentWriter holds back what http.ServeContent says in its own words about a range that is not there.
type contentWriter struct {
	http.ResponseWriter

	unsatisfiable bool
}

// WriteHeader starts an answer.
func (c *contentWriter) WriteHeader(code int) {
	if c.unsatisfiable = code == http.StatusRequestedRangeNotSatisfiable; !c.unsatisfiable {
		c.ResponseWriter.WriteHeader(code)
	}
}

// Write writes a part of the answer.
func (c *contentWriter) Write(p []byte) (int, error) {
	if c.unsatisfiable {
		return len(p), nil
	}
	return c.ResponseWriter.Write(p)
}

// breakOff ends an answer that cannot be completed so that the client sees that it is incomplete.
func (g *gateway) breakOff(ctx context.Context, path string, err error) {
	if ctx.Err() == nil && status.Code(err) != codes.Canceled {
		g.Logger.WarnContext(ctx, "download broke off", "path", path, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// answer sends a message as JSON.
func (g *gateway) answer(w http.ResponseWriter, r *http.Request, msg proto.Message) {
	body, err := g.newJSONMarshaler().Marshal(msg)
	if err != nil {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		g.Logger.DebugContext(r.Context(), "client did not take the answer", "error", err)
	}
}
