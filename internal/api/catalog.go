package api

import (
	"context"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/job"
)

// services is the CatalogService.
type services struct {
	stintv1.UnimplementedCatalogServiceServer
	live *catalog.Live
}

// ListServices answers all services, sorted by label.
func (s *services) ListServices(context.Context, *stintv1.ListServicesRequest) (*stintv1.ListServicesResponse, error) {
	return &stintv1.ListServicesResponse{Services: s.live.Catalog().List()}, nil
}

// GetService answers one service.
func (s *services) GetService(_ context.Context, req *stintv1.GetServiceRequest) (*stintv1.GetServiceResponse, error) {
	svc, ok := s.live.Catalog().Get(req.GetId())
	if !ok {
		return nil, job.Userf(job.ErrNotFound, "There is no service %q.", short(req.GetId()))
	}
	return &stintv1.GetServiceResponse{Service: svc.Proto()}, nil
}
