package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// uploadFrameBytes is how much of a body goes into one frame.
const uploadFrameBytes = 256 << 10

// upload stores the request's body as a file of the workspace.
func (g *gateway) upload(w http.ResponseWriter, r *http.Request, path string, values url.Values) {
	p := checkOwnQuery(values, "overwrite")
	if p == nil {
		p = checkFileHeaders(r.Header)
	}
	sum := ""
	if p == nil {
		sum, p = givenDigest(r.Header)
	}
	if p != nil {
		g.refuse(w, r, p)
		return
	}
	target := &workspacev1.UploadTarget{Path: path, Overwrite: queryFlag(values, "overwrite", &violations{}), Sha256: sum}
	if r.ContentLength >= 0 {
		target.SizeBytes = &r.ContentLength
	}
	ctx, err := g.callContext(r, workspacev1.WorkspaceService_Upload_FullMethodName)
	if err != nil {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	// A body that breaks off must look so to the service as well: it sees the
	// call cancelled, and never the regular end of the stream.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if body, ok := r.Body.(*boundedBody); ok {
		body.steady = true
	}
	stored, err := g.sendUpload(ctx, target, r.Body)
	if err != nil {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	g.answer(w, r, stored)
}

// sendUpload sends the target and the body. Errors of the body are problems.
func (g *gateway) sendUpload(ctx context.Context, target *workspacev1.UploadTarget, body io.Reader) (*workspacev1.UploadResponse, error) {
	stream, err := g.workspace.Upload(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: target}})
	send := func(data []byte) error {
		return stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: data}})
	}
	for err == nil {
		err = sendPart(send, body)
	}
	// io.EOF comes from the end of the body, and from a service that has
	// answered already; either way the answer is there now.
	if errors.Is(err, io.EOF) {
		return stream.CloseAndRecv()
	}
	return nil, err
}

// sendPart sends the next bytes of the body. It returns io.EOF at the end of the body or of the stream.
func sendPart(send func([]byte) error, body io.Reader) error {
	data := make([]byte, uploadFrameBytes)
	n, readErr := io.ReadFull(body, data)
	ended := errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) // the latter is less than a frame behind the last one
	var sendErr error
	if n > 0 {
		sendErr = send(data[:n])
	}
	switch {
	case readErr != nil && !ended:
		return readErr // a body that broke off ends the request's context, and so perhaps the call before this
	case sendErr != nil:
		return sendErr
	case ended:
		return io.EOF
	}
	return nil
}
