package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	typeString  = catalogv1.ParameterType_PARAMETER_TYPE_STRING
	typeInteger = catalogv1.ParameterType_PARAMETER_TYPE_INTEGER
	typeNumber  = catalogv1.ParameterType_PARAMETER_TYPE_NUMBER
	typeBoolean = catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN
	typeEnum    = catalogv1.ParameterType_PARAMETER_TYPE_ENUM
	typeFile    = catalogv1.ParameterType_PARAMETER_TYPE_FILE
	typeGroup   = catalogv1.ParameterType_PARAMETER_TYPE_GROUP
)

// fakeCatalog has services of the real catalog, and Everything with all types of parameters.
func fakeCatalog() []*catalogv1.Service {
	most := 604800.0
	least := 0.0
	return []*catalogv1.Service{
		{Id: "Date", Label: "Date", Description: "Writes the date.", Available: true, Category: "Trying things"},
		{Id: "Everything", Label: "Everything", Description: "Has parameters of all types. And more words.", Available: true, Parameters: []*catalogv1.Parameter{
			{Id: "text", Type: typeString},
			{Id: "count", Type: typeInteger},
			{Id: "share", Type: typeNumber},
			{Id: "strict", Type: typeBoolean},
			{Id: "mode", Type: typeEnum, EnumValues: []string{"fast", "slow"}},
			{Id: "reads", Type: typeFile, Multiple: true, Extensions: []string{".fq"}},
			{Id: "reference", Type: typeFile},
			{Id: "sizes", Type: typeInteger, Multiple: true},
			{Id: "pairs", Type: typeGroup, Multiple: true, Group: []*catalogv1.Parameter{{Id: "r1", Type: typeFile}, {Id: "r2", Type: typeFile}, {Id: "name", Type: typeString}}},
		}},
		{Id: "GeneTree", Label: "Gene Tree", Description: "Makes a tree.", UnavailableReason: "mafft is missing: apt-get install mafft"},
		{Id: "SequenceStats", Label: "Sequence Statistics", Description: "Counts sequences.", Available: true, Parameters: []*catalogv1.Parameter{
			{Id: "sequences", Type: typeFile, Required: true, Description: "FASTA or FASTQ file."},
		}},
		{Id: "Sleep", Label: "Sleep", Description: "Does nothing for a while.", Available: true, Parameters: []*catalogv1.Parameter{
			{Id: "sleep_time", Type: typeInteger, DefaultValue: structpb.NewNumberValue(10), Min: &least, Max: &most, Description: "Time to sleep, in seconds."},
		}},
	}
}

// fakeServices is the fake's CatalogService.
type fakeServices struct {
	catalogv1.UnimplementedCatalogServiceServer
	f *fake
}

func (s fakeServices) List(context.Context, *catalogv1.ListRequest) (*catalogv1.ListResponse, error) {
	return &catalogv1.ListResponse{Services: s.f.catalog}, nil
}

func (s fakeServices) Get(_ context.Context, req *catalogv1.GetRequest) (*catalogv1.GetResponse, error) {
	i := slices.IndexFunc(s.f.catalog, func(one *catalogv1.Service) bool { return one.GetId() == req.GetId() })
	if i < 0 {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no such service.")
	}
	return &catalogv1.GetResponse{Service: s.f.catalog[i]}, nil
}

// checkParameters finds what is wrong the way the real server does, in less detail.
func (f *fake) checkParameters(j *jobsv1.Job) error {
	res, err := fakeServices{f: f}.Get(context.Background(), &catalogv1.GetRequest{Id: j.GetService()})
	if err != nil {
		return invalid(violation("job.service", "is not a service here"))
	}
	spec := res.GetService()
	if !spec.GetAvailable() {
		return refuse(codes.Unavailable, "UNAVAILABLE", spec.GetUnavailableReason())
	}
	var wrong []string
	for name, v := range j.GetParameters().GetFields() {
		p := findParameter(spec.GetParameters(), name)
		if p == nil {
			wrong = append(wrong, name+"|is not a parameter of this service")
		} else if why := f.wrongWith(p, v); why != "" {
			wrong = append(wrong, name+"|"+why)
		}
	}
	for _, p := range spec.GetParameters() {
		if p.GetRequired() && j.GetParameters().GetFields()[p.GetId()] == nil {
			wrong = append(wrong, p.GetId()+"|is required")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return invalid(namesToViolations(wrong)...)
}

func (f *fake) wrongWith(p *catalogv1.Parameter, v *structpb.Value) string {
	if p.GetType() == typeFile && !p.GetMultiple() {
		if !strings.HasPrefix(v.GetStringValue(), "/") {
			return "must be a path in the workspace"
		}
		if !f.files.has(v.GetStringValue()) {
			return "names a file that does not exist"
		}
	}
	if p.GetType() == typeInteger && p.Max != nil && v.GetNumberValue() > p.GetMax() {
		return fmt.Sprintf("must be at most %v", p.GetMax())
	}
	return ""
}
