package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// fakeUpload is an upload in memory.
type fakeUpload struct {
	upload  *workspacev1.Upload
	content string
	// lose is how many bytes of what the next append brings do not arrive.
	lose int
}

// open returns the uploads that are not finished.
func (w *fakeFiles) open() []*fakeUpload {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*fakeUpload
	for _, id := range sortedKeys(w.uploads) {
		if u := w.uploads[id]; u.upload.GetEntry() == nil {
			all = append(all, u)
		}
	}
	return all
}

func (w *fakeFiles) CreateUpload(_ context.Context, req *workspacev1.CreateUploadRequest) (*workspacev1.CreateUploadResponse, error) {
	there, content := w.has(req.GetPath()), w.content(req.GetPath())
	w.mu.Lock()
	defer w.mu.Unlock()
	if there && req.GetSha256() != "" && req.GetSha256() == digest(content) {
		return &workspacev1.CreateUploadResponse{Upload: &workspacev1.Upload{Id: "there", Entry: &workspacev1.WorkspaceEntry{Path: req.GetPath()}}}, nil
	}
	if there && !req.GetOverwrite() {
		return nil, refuse(codes.AlreadyExists, "ALREADY_EXISTS", "There is a file "+req.GetPath()+" already.")
	}
	for _, u := range w.uploads {
		if u.upload.GetEntry() == nil && req.GetResumeKey() != "" && u.upload.GetResumeKey() == req.GetResumeKey() && u.upload.GetPath() == req.GetPath() {
			return &workspacev1.CreateUploadResponse{Upload: clone(u.upload)}, nil
		}
	}
	u := &fakeUpload{upload: &workspacev1.Upload{
		Id: fmt.Sprintf("u%d", len(w.uploads)+1), Path: req.GetPath(), SizeBytes: req.SizeBytes, Sha256: req.GetSha256(), ResumeKey: req.GetResumeKey(),
	}}
	w.uploads[u.upload.GetId()] = u
	return &workspacev1.CreateUploadResponse{Upload: clone(u.upload)}, nil
}

func clone(u *workspacev1.Upload) *workspacev1.Upload {
	return proto.CloneOf(u)
}

func (w *fakeFiles) find(id string) (*fakeUpload, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.uploads[id]; u != nil {
		return u, nil
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no upload "+id+".")
}

func (w *fakeFiles) AppendUpload(s grpc.ClientStreamingServer[workspacev1.AppendUploadRequest, workspacev1.AppendUploadResponse]) error {
	first, err := s.Recv()
	if err != nil {
		return err
	}
	u, err := w.find(first.GetPart().GetId())
	if err != nil {
		return err
	}
	if first.GetPart().GetOffset() != u.upload.GetOffset() {
		return wrongOffset(u.upload.GetOffset(), nil)
	}
	if size := first.GetPart().SizeBytes; size != nil {
		u.upload.SizeBytes = size
	}
	var brought strings.Builder
	sum := ""
	for {
		frame, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		brought.Write(frame.GetData())
		sum = frame.GetEnd().GetSha256()
	}
	return w.store(s, u, brought.String(), sum)
}

func (w *fakeFiles) store(s grpc.ClientStreamingServer[workspacev1.AppendUploadRequest, workspacev1.AppendUploadResponse], u *fakeUpload, brought, sum string) error {
	w.mu.Lock()
	lost := u.lose > 0
	if lost {
		brought, u.lose = brought[:max(0, len(brought)-u.lose)], 0
	}
	u.content += brought
	u.upload.Offset = int64(len(u.content))
	done := !lost && u.upload.SizeBytes != nil && u.upload.GetOffset() == u.upload.GetSizeBytes()
	content := u.content
	w.mu.Unlock()
	if lost {
		return errLost
	}
	if sum += u.upload.GetSha256(); done && sum != digest(content) {
		return refuse(codes.InvalidArgument, "INVALID_ARGUMENT", "The sum is another.")
	}
	if done {
		w.stored++
		w.put(u.upload.GetPath(), content)
		u.upload.Entry = &workspacev1.WorkspaceEntry{Path: u.upload.GetPath(), SizeBytes: u.upload.GetOffset()}
	}
	return s.SendAndClose(&workspacev1.AppendUploadResponse{Upload: clone(u.upload)})
}

// wrongOffset is how the server says where an upload goes on.
func wrongOffset(offset int64, more map[string]string) error {
	metadata := map[string]string{"offset": strconv.FormatInt(offset, 10)}
	maps.Copy(metadata, more)
	st, err := status.New(codes.Aborted, "The upload goes on elsewhere.").WithDetails(&errdetails.ErrorInfo{Reason: "UPLOAD_OFFSET", Domain: "stint", Metadata: metadata})
	if err != nil {
		return err
	}
	return st.Err()
}

func (w *fakeFiles) GetUpload(_ context.Context, req *workspacev1.GetUploadRequest) (*workspacev1.GetUploadResponse, error) {
	u, err := w.find(req.GetId())
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &workspacev1.GetUploadResponse{Upload: clone(u.upload)}, nil
}

func (w *fakeFiles) ListUploads(_ context.Context, req *workspacev1.ListUploadsRequest) (*workspacev1.ListUploadsResponse, error) {
	all := w.open()
	at, _ := strconv.Atoi(req.GetPageToken())
	if at >= len(all) {
		return &workspacev1.ListUploadsResponse{}, nil
	}
	res := &workspacev1.ListUploadsResponse{Uploads: []*workspacev1.Upload{clone(all[at].upload)}} // pages of one
	if at+1 < len(all) {
		res.NextPageToken = strconv.Itoa(at + 1)
	}
	return res, nil
}

func (w *fakeFiles) EndUpload(_ context.Context, req *workspacev1.EndUploadRequest) (*workspacev1.EndUploadResponse, error) {
	if _, err := w.find(req.GetId()); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.uploads, req.GetId())
	return &workspacev1.EndUploadResponse{}, nil
}

func (w *fakeFiles) Stat(_ context.Context, req *workspacev1.StatRequest) (*workspacev1.StatResponse, error) {
	p := strings.TrimSuffix(req.GetPath(), "/")
	if w.has(p) {
		return &workspacev1.StatResponse{Entry: &workspacev1.WorkspaceEntry{Path: p, SizeBytes: int64(len(w.content(p)))}}, nil
	}
	for _, other := range w.paths() {
		if strings.HasPrefix(other, p+"/") {
			return &workspacev1.StatResponse{Entry: &workspacev1.WorkspaceEntry{Path: p, Folder: true}}, nil
		}
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no file or folder "+p+".")
}

func (w *fakeFiles) Move(ctx context.Context, req *workspacev1.MoveRequest) (*workspacev1.MoveResponse, error) {
	if err := w.transfer(req.GetPath(), req.GetTo(), req.GetOverwrite()); err != nil {
		return nil, err
	}
	_, err := w.Delete(ctx, &workspacev1.DeleteRequest{Path: req.GetPath(), Recursive: true})
	return &workspacev1.MoveResponse{Entry: &workspacev1.WorkspaceEntry{Path: req.GetTo()}}, err
}

func (w *fakeFiles) Copy(req *workspacev1.CopyRequest, s grpc.ServerStreamingServer[workspacev1.CopyResponse]) error {
	if err := w.transfer(req.GetPath(), req.GetTo(), req.GetOverwrite()); err != nil {
		return err
	}
	for _, frame := range []*workspacev1.CopyResponse{
		{CopiedBytes: 10, TotalBytes: 20}, {CopiedBytes: 20, TotalBytes: 20, Skipped: 2, Entry: &workspacev1.WorkspaceEntry{Path: req.GetTo()}},
	} {
		if err := s.Send(frame); err != nil {
			return err
		}
	}
	return nil
}

// transfer copies a file, or a folder.
func (w *fakeFiles) transfer(from, to string, overwrite bool) error {
	if w.has(to) && !overwrite {
		return refuse(codes.AlreadyExists, "ALREADY_EXISTS", "There is a file "+to+" already.")
	}
	found := false
	for _, p := range w.paths() {
		if below, ok := strings.CutPrefix(p, from); ok && (below == "" || below[0] == '/') {
			w.put(to+below, w.content(p))
			found = true
		}
	}
	if !found {
		return refuse(codes.NotFound, "NOT_FOUND", "There is no file or folder "+from+".")
	}
	return nil
}

func (w *fakeFiles) MakeFolder(_ context.Context, req *workspacev1.MakeFolderRequest) (*workspacev1.MakeFolderResponse, error) {
	w.put(strings.TrimSuffix(req.GetPath(), "/")+"/", "") // stands for an empty folder
	return &workspacev1.MakeFolderResponse{Entry: &workspacev1.WorkspaceEntry{Path: req.GetPath(), Folder: true}, Made: true}, nil
}
