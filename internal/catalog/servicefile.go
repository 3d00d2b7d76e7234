package catalog

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// The keys of a service.yaml. services/README.md explains them.
type (
	serviceYAML struct {
		ID              string          `yaml:"id"`
		Label           string          `yaml:"label"`
		Description     string          `yaml:"description"`
		Category        string          `yaml:"category"`
		Version         string          `yaml:"version"`
		Command         []string        `yaml:"command"`
		Programs        []programYAML   `yaml:"programs"`
		Parameters      []parameterYAML `yaml:"parameters"`
		Resources       resourcesYAML   `yaml:"resources"`
		Executor        string          `yaml:"executor"`
		ExecutorOptions optionsYAML     `yaml:"executor_options"`
		Results         []resultYAML    `yaml:"results"`
		Network         bool            `yaml:"network"`
		Reads           []string        `yaml:"reads"`
	}
	programYAML struct {
		Name    string `yaml:"name"`
		Package string `yaml:"package"`
	}
	parameterYAML struct {
		ID          string          `yaml:"id"`
		Label       string          `yaml:"label"`
		Description string          `yaml:"description"`
		Type        string          `yaml:"type"`
		Required    bool            `yaml:"required"`
		Default     yaml.Node       `yaml:"default"`
		Enum        []string        `yaml:"enum"`
		Min         *float64        `yaml:"min"`
		Max         *float64        `yaml:"max"`
		Multiple    bool            `yaml:"multiple"`
		Group       []parameterYAML `yaml:"group"`
		Extensions  []string        `yaml:"extensions"`
	}
	// resourcesYAML is a mapping, or the word auto for one with auto alone.
	resourcesYAML struct {
		Auto         bool   `yaml:"auto"`
		CPUs         int32  `yaml:"cpus"`
		Memory       string `yaml:"memory"`
		TimeLimit    string `yaml:"time_limit"`
		MaxMemory    string `yaml:"max_memory"`
		MaxTimeLimit string `yaml:"max_time_limit"`
		GPUs         int32  `yaml:"gpus"`
		// Named are those that the operator named, such as licences.
		Named map[string]int64 `yaml:"named"`
	}
	// optionsYAML is what only an engine like Slurm understands.
	optionsYAML struct {
		Partition  string `yaml:"partition"`
		Account    string `yaml:"account"`
		Constraint string `yaml:"constraint"`
		QOS        string `yaml:"qos"`
		GPUs       int32  `yaml:"gpus"`
	}
	resultYAML struct {
		Pattern string `yaml:"pattern"`
		Display string `yaml:"display"`
		Title   string `yaml:"title"`
	}
)

// maxVersion is the longest version of a service in bytes.
const maxVersion = 64

var typesByName = map[string]catalogv1.ParameterType{
	"string":  catalogv1.ParameterType_PARAMETER_TYPE_STRING,
	"integer": catalogv1.ParameterType_PARAMETER_TYPE_INTEGER,
	"number":  catalogv1.ParameterType_PARAMETER_TYPE_NUMBER,
	"boolean": catalogv1.ParameterType_PARAMETER_TYPE_BOOLEAN,
	"enum":    catalogv1.ParameterType_PARAMETER_TYPE_ENUM,
	"file":    catalogv1.ParameterType_PARAMETER_TYPE_FILE,
	"folder":  catalogv1.ParameterType_PARAMETER_TYPE_FOLDER,
	"group":   catalogv1.ParameterType_PARAMETER_TYPE_GROUP,
}

// parseServiceFile reads a service.yaml. It goes on after each mistake, so that
// all of them are known at once.
func parseServiceFile(text []byte, s *Service, p *problems) {
	var y serviceYAML
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(&y)
	if mistakes := new(yaml.TypeError); errors.As(err, &mistakes) {
		lost := false
		for _, m := range mistakes.Errors {
			line, field, what := explainYAML(m)
			p.addAt(line, field, what)
			lost = lost || losesMapping(m)
		}
		if lost {
			return // what it lacks now was there
		}
	} else if errors.Is(err, io.EOF) {
		p.add("", "it is empty")
		return
	} else if err != nil {
		line, field, what := explainYAML(err.Error())
		p.addAt(line, field, what)
		return
	}
	if dec.Decode(new(yaml.Node)) == nil {
		p.add("", "it has a second document after ---; one file describes one service")
	}
	s.proto = &catalogv1.Service{
		Id:               y.ID,
		Label:            y.Label,
		Description:      y.Description,
		Category:         y.Category,
		Version:          y.Version,
		Executor:         y.Executor,
		Parameters:       parametersFromYAML("parameters", y.Parameters, p),
		DefaultResources: resourcesFromYAML(y.Resources, y.ExecutorOptions, p),
		TakesAdvice:      y.Resources.Auto,
		MaxResources:     maximumFromYAML(y.Resources, p),
		Results:          resultsFromYAML(y.Results, p),
	}
	s.network = y.Network
	s.setReads(y.Reads, p)
	if y.Label == "" {
		p.add("label", "is missing: the name that people see")
	}
	if len(y.Version) > maxVersion {
		p.add("version", "is longer than 64 bytes")
	}
	s.setPrograms(y.Programs, p)
	s.setCommand(y.Command, p)
	checkDescribed("parameters", s.proto.GetParameters(), &rules{id: validParameterID}, p)
}

func (s *Service) setPrograms(list []programYAML, p *problems) {
	for i, r := range list {
		if !validProgram.MatchString(r.Name) {
			p.add(at("programs", i)+".name", "%s is no name of a program on the PATH", quote(r.Name))
			continue
		}
		if r.Package != "" && !validPackage.MatchString(r.Package) {
			p.add(at("programs", i)+".package", "%s is no name of a Debian package", quote(r.Package))
		}
		s.needs = append(s.needs, program{name: r.Name, debPackage: r.Package})
	}
}

func (s *Service) setReads(list []string, p *problems) {
	for i, path := range list {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
			p.add(at("reads", i), "%s is no absolute path of a file or folder", quote(path))
			continue
		}
		s.reads = append(s.reads, path)
	}
}

func parametersFromYAML(path string, list []parameterYAML, p *problems) []*catalogv1.Parameter {
	var out []*catalogv1.Parameter
	for i, y := range list {
		field := entry(path, i, y.ID)
		t, ok := typesByName[y.Type]
		switch {
		case y.Type == "":
			p.add(field+".type", "is missing")
		case !ok:
			p.add(field+".type", "there is no type %s%s; the types are %s", quote(y.Type), didYouMean(y.Type, typeNames), typeList)
		}
		d, err := valueFromYAML(&y.Default)
		if err != nil {
			p.addAt(y.Default.Line, field+".default", err.Error())
		}
		out = append(out, &catalogv1.Parameter{
			Id:           y.ID,
			Label:        labelOr(y.Label, y.ID),
			Description:  y.Description,
			Type:         t,
			Required:     y.Required,
			DefaultValue: d,
			EnumValues:   y.Enum,
			Min:          y.Min,
			Max:          y.Max,
			Multiple:     y.Multiple,
			Group:        parametersFromYAML(field+".group", y.Group, p),
			Extensions:   y.Extensions,
		})
	}
	return out
}

func resourcesFromYAML(y resourcesYAML, o optionsYAML, p *problems) *jobsv1.Resources {
	r := &jobsv1.Resources{
		Cpus: y.CPUs, Gpus: max(y.GPUs, o.GPUs), Partition: o.Partition, Account: o.Account, Constraint: o.Constraint, Qos: o.QOS, Named: y.Named,
	}
	if y.CPUs < 0 || y.CPUs > maxCPUs {
		p.add("resources.cpus", "%d is not between 1 and %d", y.CPUs, maxCPUs)
	}
	if y.GPUs < 0 || y.GPUs > maxCPUs {
		p.add("resources.gpus", "%d is not between 0 and %d", y.GPUs, maxCPUs)
	}
	for _, v := range job.CheckNamed("resources.named", y.Named) {
		p.add(v.Field, "%s", v.Description)
	}
	if o.GPUs < 0 || o.GPUs > maxCPUs {
		p.add("executor_options.gpus", "%d is not between 0 and %d", o.GPUs, maxCPUs)
	}
	r.MemoryBytes = memoryFromYAML("resources.memory", y.Memory, p)
	r.TimeLimit = limitFromYAML("resources.time_limit", y.TimeLimit, p)
	return r
}

// maximumFromYAML returns the most that a job may ask for; nil where nothing is bounded.
func maximumFromYAML(y resourcesYAML, p *problems) *jobsv1.Resources {
	r := &jobsv1.Resources{
		MemoryBytes: memoryFromYAML("resources.max_memory", y.MaxMemory, p),
		TimeLimit:   limitFromYAML("resources.max_time_limit", y.MaxTimeLimit, p),
	}
	if memory, err := parseMemory(y.Memory, 1); err == nil && r.GetMemoryBytes() > 0 && memory > r.GetMemoryBytes() {
		p.add("resources.memory", "%s is above max_memory, %s", y.Memory, y.MaxMemory)
	}
	if d, err := time.ParseDuration(y.TimeLimit); err == nil && r.GetTimeLimit() != nil && d > r.GetTimeLimit().AsDuration() {
		p.add("resources.time_limit", "%s is above max_time_limit, %s", y.TimeLimit, y.MaxTimeLimit)
	}
	if r.GetMemoryBytes() == 0 && r.GetTimeLimit() == nil {
		return nil
	}
	return r
}

// memoryFromYAML returns an amount of memory in bytes; 0 where there is none.
func memoryFromYAML(field, text string, p *problems) int64 {
	if text == "" {
		return 0
	}
	bytes, err := parseMemory(text, 1)
	if err != nil {
		p.add(field, "%s", err)
	}
	return bytes
}

// limitFromYAML returns a length of time; nil where there is none.
func limitFromYAML(field, text string, p *problems) *durationpb.Duration {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		p.add(field, "%s is no length of time; one is for example 90s, 30m or 1h30m", quote(text))
	case d < time.Second:
		p.add(field, "%s is less than a second", text)
	default:
		return durationpb.New(d)
	}
	return nil
}

// UnmarshalYAML reads a mapping, or the word auto.
func (r *resourcesYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if err := unmarshal(&word); err == nil && word == "auto" {
		r.Auto = true
		return nil
	}
	type mapping resourcesYAML // without this method
	return unmarshal((*mapping)(r))
}

func resultsFromYAML(list []resultYAML, p *problems) []*catalogv1.ResultDisplay {
	var out []*catalogv1.ResultDisplay
	for i, y := range list {
		field := at("results", i)
		checkPattern(field+".pattern", y.Pattern, p)
		if !displays[y.Display] {
			p.add(field+".display", "%s is no way to show a file; the ways are %s", quote(y.Display), displayList)
		}
		out = append(out, &catalogv1.ResultDisplay{Pattern: y.Pattern, Display: y.Display, Title: y.Title})
	}
	return out
}
