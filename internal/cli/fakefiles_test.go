package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// fakeFiles is a workspace in memory.
type fakeFiles struct {
	workspacev1.UnimplementedWorkspaceServiceServer

	mu     sync.Mutex
	files  map[string]string
	stored int // uploads that brought content

	uploads map[string]*fakeUpload // by id
}

func newFakeFiles() *fakeFiles {
	return &fakeFiles{files: make(map[string]string), uploads: make(map[string]*fakeUpload)}
}

func (w *fakeFiles) has(p string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.files[p]
	return ok
}

func (w *fakeFiles) content(p string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[p]
}

func (w *fakeFiles) put(p, content string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[p] = content
}

func (w *fakeFiles) paths() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedKeys(w.files)
}

func digest(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func (*fakeFiles) GetUsage(context.Context, *workspacev1.GetUsageRequest) (*workspacev1.GetUsageResponse, error) {
	return &workspacev1.GetUsageResponse{UsedBytes: 5000, UsedEntries: 3, MaxEntries: 1_000_000, MaxDepth: 32, Quotas: []*workspacev1.Quota{
		{Kind: "workspace_bytes", Title: "bytes in the workspace", Used: proto.Int64(5000), Bytes: true},
		{Kind: "workspace_entries", Title: "files and folders", Used: proto.Int64(3), Max: 1_000_000},
		{Kind: "api_tokens", Title: "API tokens", Used: proto.Int64(2), Max: 100},
		{Kind: "audit_entries_per_day", Title: "entries of the audit in a day", Used: proto.Int64(0)},
		{Kind: "path_names", Title: "names in a path", Max: 32},
	}}, nil
}

func (w *fakeFiles) List(_ context.Context, req *workspacev1.ListRequest) (*workspacev1.ListResponse, error) {
	prefix := strings.TrimSuffix(req.GetPath(), "/") + "/"
	res := &workspacev1.ListResponse{}
	folders := make(map[string]bool)
	var files []*workspacev1.WorkspaceEntry
	for _, p := range w.paths() {
		below, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		if dir, _, deeper := strings.Cut(below, "/"); deeper {
			folders[dir] = true
			continue
		}
		files = append(files, &workspacev1.WorkspaceEntry{Path: p, SizeBytes: int64(len(w.content(p))), ModifyTime: timestamppb.Now(), ContentType: "text/plain"})
	}
	if len(files)+len(folders) == 0 && prefix != "/" {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no such folder.")
	}
	for _, dir := range sortedKeys(folders) {
		res.Entries = append(res.Entries, &workspacev1.WorkspaceEntry{Path: path.Join(prefix, dir), Folder: true})
	}
	res.Entries = append(res.Entries, files...)
	return res, nil
}

func (w *fakeFiles) Download(req *workspacev1.DownloadRequest, s grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
	if !w.has(req.GetPath()) {
		return refuse(codes.NotFound, "NOT_FOUND", "There is no file "+req.GetPath()+".")
	}
	content := w.content(req.GetPath())
	if err := s.Send(&workspacev1.DownloadResponse{Entry: &workspacev1.WorkspaceEntry{Path: req.GetPath(), SizeBytes: int64(len(content))}}); err != nil {
		return err
	}
	return s.Send(&workspacev1.DownloadResponse{Data: []byte(content)})
}

func (w *fakeFiles) Delete(_ context.Context, req *workspacev1.DeleteRequest) (*workspacev1.DeleteResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := slices.DeleteFunc(sortedKeys(w.files), func(p string) bool {
		return p != req.GetPath() && !(req.GetRecursive() && strings.HasPrefix(p, req.GetPath()+"/"))
	})
	if len(gone) == 0 {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no file "+req.GetPath()+".")
	}
	for _, p := range gone {
		delete(w.files, p)
	}
	return &workspacev1.DeleteResponse{RemovedFiles: int64(len(gone))}, nil
}
