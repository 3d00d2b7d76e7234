package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/reason"
)

// The gateway speaks tus 1.0.0 at the paths of uploads, to clients that say so by the header
// Tus-Resumable. Other requests there are JSON, as everywhere. See
// https://tus.io/protocols/resumable-upload.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-defer-length,expiration,termination"
	tusType       = "application/offset+octet-stream"

	uploadsPath = "/v1/uploads"

	headerTus      = "Tus-Resumable"
	headerOffset   = "Upload-Offset"
	headerLength   = "Upload-Length"
	headerDefer    = "Upload-Defer-Length"
	headerMetadata = "Upload-Metadata"
	headerExpires  = "Upload-Expires"
)

// isTus reports whether a request is tus's: by its header, or because nothing else has such a
// request.
func isTus(r *http.Request) bool {
	if r.URL.Path != uploadsPath && !strings.HasPrefix(r.URL.Path, uploadsPath+"/") {
		return false
	}
	return len(r.Header.Values(headerTus)) > 0 || r.Method == http.MethodPatch || r.Method == http.MethodOptions
}

// serveTus serves a request of tus.
func (g *gateway) serveTus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(headerTus, tusVersion)
	id, one := strings.CutPrefix(r.URL.Path, uploadsPath+"/")
	if r.Method == http.MethodOptions {
		w.Header().Set("Tus-Version", tusVersion)
		w.Header().Set("Tus-Extension", tusExtensions)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if version := r.Header.Get(headerTus); version != tusVersion {
		w.Header().Set("Tus-Version", tusVersion)
		g.refuse(w, r, newProblem(reason.TusVersion,
			"The header Tus-Resumable must be "+tusVersion+", which is the version of tus that is spoken here."))
		return
	}
	serve, method, verbs := g.tusHead, workspacev1.WorkspaceService_GetUpload_FullMethodName, "DELETE, HEAD, OPTIONS, PATCH"
	switch {
	case one && (id == "" || strings.Contains(id, "/") || !validText(id)):
		g.refuse(w, r, noRoute())
		return
	case one && r.Method == http.MethodHead:
	case one && r.Method == http.MethodPatch:
		serve, method = g.tusPatch, workspacev1.WorkspaceService_AppendUpload_FullMethodName
	case one && r.Method == http.MethodDelete:
		serve, method = g.tusDelete, workspacev1.WorkspaceService_EndUpload_FullMethodName
	case !one && r.Method == http.MethodPost:
		serve, method = g.tusCreate, workspacev1.WorkspaceService_CreateUpload_FullMethodName
	default:
		if !one {
			verbs = "OPTIONS, POST"
		}
		w.Header().Set("Allow", verbs)
		g.refuse(w, r, methodNotAllowed())
		return
	}
	if p := g.authenticate(r, method); p != nil {
		g.refuse(w, r, p)
		return
	}
	ctx, err := g.callContext(r, method)
	if err == nil {
		err = checkTusQuery(r)
	}
	if err == nil {
		err = serve(w, r.WithContext(ctx), id)
	}
	if err != nil {
		g.refuseTus(w, r, g.problemOf(r.Context(), err))
	}
}

// checkTusQuery refuses a query: tus has none.
func checkTusQuery(r *http.Request) error {
	values, p := parseQuery(r.URL.RawQuery)
	if p == nil {
		p = checkOwnQuery(values)
	}
	if p != nil {
		return p
	}
	return nil
}

// refuseTus refuses a request. Where the offset was wrong it says the right one.
func (g *gateway) refuseTus(w http.ResponseWriter, r *http.Request, p *problem) {
	for _, detail := range p.status.GetDetails() {
		info := &errdetails.ErrorInfo{}
		if detail.MessageIs(info) && detail.UnmarshalTo(info) == nil && info.GetMetadata()["offset"] != "" {
			w.Header().Set(headerOffset, info.GetMetadata()["offset"])
		}
	}
	g.refuse(w, r, p)
}

// tusCreate begins an upload.
func (g *gateway) tusCreate(w http.ResponseWriter, r *http.Request, _ string) error {
	req, p := tusRequest(r)
	if p != nil {
		return p
	}
	created, err := g.workspace.CreateUpload(r.Context(), req)
	if err != nil {
		return err
	}
	u := created.GetUpload()
	w.Header().Set("Location", g.PathPrefix+uploadsPath+"/"+url.PathEscape(u.GetId()))
	setExpires(w.Header(), u.GetExpireTime())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// tusRequest reads what an upload is from the headers.
func tusRequest(r *http.Request) (*workspacev1.CreateUploadRequest, *problem) {
	var v violations
	req := &workspacev1.CreateUploadRequest{}
	length, deferred := r.Header.Values(headerLength), r.Header.Values(headerDefer)
	switch {
	case len(length) == 1 && len(deferred) == 0:
		req.SizeBytes = headerNumber(r.Header, headerLength, &v)
	case len(length) == 0 && len(deferred) == 1 && deferred[0] == "1":
	default:
		v.add(headerLength, "must be given once, or "+headerDefer+" as 1 in its place")
	}
	if r.ContentLength != 0 {
		v.add("body", "must be empty: the bytes follow with PATCH")
	}
	for key, value := range tusMetadata(r.Header.Get(headerMetadata), &v) {
		switch key {
		case "path":
			req.Path = value
		case "sha256":
			req.Sha256 = value
		case "resume_key":
			req.ResumeKey = value
		case "overwrite":
			if req.Overwrite = value == "true"; !req.Overwrite && value != "false" {
				v.add(headerMetadata+".overwrite", "must be true or false, in base64")
			}
		}
	}
	if req.GetPath() == "" && len(v) == 0 {
		v.add(headerMetadata, "must have the key path, with the file's path in the workspace in base64, for example path L3JlYWRzL2EuZnE=")
	}
	return req, v.problem()
}

// tusMetadata reads pairs of a key and a value in base64. Keys that are not ours are for others,
// and are left alone.
func tusMetadata(text string, v *violations) map[string]string {
	pairs := make(map[string]string)
	if text == "" {
		return pairs
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(encoded)
		_, twice := pairs[key]
		switch {
		case key == "" || twice:
			v.add(headerMetadata, "must have pairs of a key and a value, each key once")
		case err != nil || !validText(string(value)):
			v.add(headerMetadata+"."+key, "must be text in UTF-8, in base64")
		}
		pairs[key] = string(value)
	}
	return pairs
}

// headerNumber reads a number of bytes.
func headerNumber(h http.Header, name string, v *violations) *int64 {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil || n < 0 || len(h.Values(name)) != 1 {
		v.add(name, "must be a number of bytes, given once")
		return nil
	}
	return &n
}

// tusHead says where an upload goes on. One that has all its bytes and is not finished, because
// something broke off just then, is finished now: a client that sees all bytes there asks for
// nothing more.
func (g *gateway) tusHead(w http.ResponseWriter, r *http.Request, id string) error {
	found, err := g.workspace.GetUpload(r.Context(), &workspacev1.GetUploadRequest{Id: id})
	if err != nil {
		return err
	}
	u := found.GetUpload()
	if u.SizeBytes != nil && u.GetOffset() == u.GetSizeBytes() && u.GetEntry() == nil {
		if u, err = g.sendAppend(r, &workspacev1.UploadPart{Id: id, Offset: u.GetOffset()}, http.NoBody); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set(headerOffset, strconv.FormatInt(u.GetOffset(), 10))
	if u.SizeBytes != nil {
		h.Set(headerLength, strconv.FormatInt(u.GetSizeBytes(), 10))
	} else {
		h.Set(headerDefer, "1")
	}
	h.Set(headerMetadata, "path "+base64.StdEncoding.EncodeToString([]byte(u.GetPath())))
	setExpires(h, u.GetExpireTime())
	w.WriteHeader(http.StatusOK)
	return nil
}

// tusPatch adds the body to an upload.
func (g *gateway) tusPatch(w http.ResponseWriter, r *http.Request, id string) error {
	if p := checkFileHeaders(r.Header); p != nil {
		return p
	}
	if media := mediaType(r.Header); media != tusType {
		return unsupported("Content-Type", "must be "+tusType)
	}
	var v violations
	part := &workspacev1.UploadPart{Id: id}
	if offset := headerNumber(r.Header, headerOffset, &v); offset != nil {
		part.Offset = *offset
	}
	if len(r.Header.Values(headerLength)) > 0 {
		part.SizeBytes = headerNumber(r.Header, headerLength, &v)
	}
	if p := v.problem(); p != nil {
		return p
	}
	if body, ok := r.Body.(*boundedBody); ok {
		body.steady = true
	}
	u, err := g.sendAppend(r, part, r.Body)
	if err != nil {
		return err
	}
	w.Header().Set(headerOffset, strconv.FormatInt(u.GetOffset(), 10))
	setExpires(w.Header(), u.GetExpireTime())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sendAppend adds a body to an upload. What came of a body that breaks off is added all the same,
// and the error is the body's.
func (g *gateway) sendAppend(r *http.Request, part *workspacev1.UploadPart, body io.Reader) (*workspacev1.Upload, error) {
	// The request ends with its body; what came of that is still to be stored. The body has
	// deadlines of its own.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stream, err := g.workspace.AppendUpload(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Part{Part: part}})
	send := func(data []byte) error {
		return stream.Send(&workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Data{Data: data}})
	}
	for err == nil {
		err = sendPart(send, body)
	}
	res, failed := stream.CloseAndRecv()
	if !errors.Is(err, io.EOF) { // the body broke off
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	return res.GetUpload(), nil
}

// tusDelete gives an upload up.
func (g *gateway) tusDelete(w http.ResponseWriter, r *http.Request, id string) error {
	if _, err := g.workspace.EndUpload(r.Context(), &workspacev1.EndUploadRequest{Id: id}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func setExpires(h http.Header, t *timestamppb.Timestamp) {
	if t != nil {
		h.Set(headerExpires, t.AsTime().UTC().Format(http.TimeFormat))
	}
}
