package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/weight"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// maxResults is the most result files that are listed.
const maxResults = 10_000

// ListResults returns the files that a job made, also of a failed or running one.
func (s *Service) ListResults(ctx context.Context, req *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
	j, attempt, err := s.resultsOf(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	resp := &jobsv1.ListResultsResponse{ResultFolder: j.GetResultFolder()}
	if attempt.Number() == 0 {
		return resp, nil
	}
	found, truncated, err := attempt.ListResults(maxResults)
	if err != nil {
		return nil, err
	}
	resp.Truncated = truncated
	resp.Note = madeUp(found)
	room := weight.NewBudget(page.Bound)
	for _, f := range found {
		file := s.resultFile(j, f)
		if !room.AddMessage(file) {
			resp.Truncated = true
			break
		}
		resp.Files = append(resp.Files, file)
	}
	return resp, nil
}

// madeUp says which paths are not those of the files, or "".
func madeUp(found []workdir.ResultFile) string {
	n, first := 0, ""
	for _, f := range found {
		if f.MadeUp {
			if n++; n == 1 {
				first = f.Path
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("The names of %d of the files are no UTF-8, such as %q: each byte that is none is written as %% and two hexadecimal digits.", n, call.Short(first))
}

// ReadResult streams one result file from an offset.
func (s *Service) ReadResult(req *jobsv1.ReadResultRequest, stream grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
	if err := page.CheckRange(req.GetOffset(), req.GetLimitBytes()); err != nil {
		return err
	}
	j, attempt, err := s.resultsOf(stream.Context(), req.GetId())
	if err != nil {
		return err
	}
	_, still, err := s.holds(stream.Context(), j)
	if err != nil {
		return err
	}
	if attempt.Number() == 0 {
		return job.Missingf("stint.jobs.v1.ResultFile", j.GetId(), "Job %s has no results yet.", j.GetId())
	}
	f, info, err := attempt.OpenResult(req.GetPath())
	if errors.Is(err, job.ErrNotFound) {
		return job.Missingf("stint.jobs.v1.ResultFile", req.GetPath(), "Job %s has no result file %q.", j.GetId(), call.Short(req.GetPath()))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	first := &jobsv1.ReadResultResponse{File: s.resultFile(j, info), Offset: req.GetOffset()}
	if err := stream.Send(first); err != nil {
		return err
	}
	part := io.NewSectionReader(f, req.GetOffset(), page.SectionLength(req.GetOffset(), req.GetLimitBytes()))
	return page.SendFile(stream.Context(), part, req.GetOffset(), func(offset int64, data []byte) error {
		if err := still(); err != nil {
			return err
		}
		return stream.Send(&jobsv1.ReadResultResponse{Offset: offset, Data: data})
	})
}

// resultsOf is the job and the folder of its latest attempt; the attempt has number 0 when there is none.
func (s *Service) resultsOf(ctx context.Context, text string) (*jobsv1.Job, workdir.Attempt, error) {
	j, err := s.find(ctx, text)
	if err != nil {
		return nil, workdir.Attempt{}, err
	}
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return nil, workdir.Attempt{}, err
	}
	return j, s.cfg.Folders.Job(id).Attempt(int(job.Attempt(j).GetNumber())), nil
}

func (s *Service) resultFile(j *jobsv1.Job, f workdir.ResultFile) *jobsv1.ResultFile {
	out := &jobsv1.ResultFile{
		Path: f.Path, SizeBytes: f.Size, ModifyTime: timestamppb.New(f.ModTime), ContentType: workspace.ContentType(f.Path),
	}
	if svc, ok := s.cfg.Catalog.Catalog().Get(j.GetService()); ok {
		out.Display, out.Title = svc.Display(f.Path)
	}
	return out
}
