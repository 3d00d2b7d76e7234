package api

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

const (
	// maxResults is the most result files that are listed.
	maxResults = 10_000
	// frameBytes is the most bytes of a file in one frame.
	frameBytes = 64 << 10
)

// ListResults answers the files that a job made, also of a failed or running one.
func (s *jobs) ListResults(ctx context.Context, req *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
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
	for _, f := range found {
		resp.Files = append(resp.Files, s.resultFile(j, f))
	}
	return resp, nil
}

// ReadResult streams one result file from an offset.
func (s *jobs) ReadResult(req *jobsv1.ReadResultRequest, stream grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
	if err := checkRange(req.GetOffset(), req.GetLimitBytes()); err != nil {
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
		return job.Userf(job.ErrNotFound, "Job %s has no results yet.", j.GetId())
	}
	f, info, err := attempt.OpenResult(req.GetPath())
	if errors.Is(err, job.ErrNotFound) {
		return job.Userf(job.ErrNotFound, "Job %s has no result file %q.", j.GetId(), short(req.GetPath()))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	first := &jobsv1.ReadResultResponse{File: s.resultFile(j, info), Offset: req.GetOffset()}
	if err := stream.Send(first); err != nil {
		return err
	}
	part := io.NewSectionReader(f, req.GetOffset(), sectionLength(req.GetOffset(), req.GetLimitBytes()))
	return sendFile(stream.Context(), part, req.GetOffset(), func(offset int64, data []byte) error {
		if err := still(); err != nil {
			return err
		}
		return stream.Send(&jobsv1.ReadResultResponse{Offset: offset, Data: data})
	})
}

// resultsOf is the job and the folder of its latest attempt; the attempt has number 0 when there is none.
func (s *jobs) resultsOf(ctx context.Context, text string) (*jobsv1.Job, workdir.Attempt, error) {
	j, err := s.find(ctx, text)
	if err != nil {
		return nil, workdir.Attempt{}, err
	}
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return nil, workdir.Attempt{}, err
	}
	return j, s.Folders.Job(id).Attempt(int(job.Attempt(j).GetNumber())), nil
}

func (s *jobs) resultFile(j *jobsv1.Job, f workdir.ResultFile) *jobsv1.ResultFile {
	out := &jobsv1.ResultFile{
		Path: f.Path, SizeBytes: f.Size, ModifyTime: timestamppb.New(f.ModTime), ContentType: workspace.ContentType(f.Path),
	}
	if svc, ok := s.Catalog.Catalog().Get(j.GetService()); ok {
		out.Display, out.Title = svc.Display(f.Path)
	}
	return out
}

func checkRange(offset, limit int64) error {
	var v job.Violations
	if offset < 0 {
		v.Add("offset", "must not be negative")
	}
	if limit < 0 {
		v.Add("limitBytes", "must not be negative")
	}
	return v.Err()
}

// sectionLength is how long a part of a file from offset on is at most.
func sectionLength(offset, limit int64) int64 {
	const most = 1<<63 - 1
	if limit == 0 || limit > most-offset {
		return most - offset
	}
	return limit
}

// sendFile hands over what r yields in frames.
func sendFile(ctx context.Context, r io.Reader, offset int64, send func(int64, []byte) error) error {
	for ctx.Err() == nil {
		buf := make([]byte, frameBytes) // gRPC may keep what was sent
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := send(offset, buf[:n]); err != nil {
				return err
			}
			offset += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
	return ctx.Err()
}
