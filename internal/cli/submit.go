package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// submitOptions are the flags of `stint submit`, most of them also of `stint rerun`.
type submitOptions struct {
	params       []string
	outputName   string
	requestID    string
	wait, dryRun bool
	patience     time.Duration
	format       *format

	paramsFile   string
	outputFolder string
	cpus         int32
	gpus         int32
	named        []string
	account      string
	partition    string
	qos          string
	constraint   string
	memory       string
	timeLimit    string
	labels       []string
	priority     int32
	executor     string
	owner        string
	reason       string
	parent       string
	factors      factors
}

func newSubmitCommand(a *app) *cobra.Command {
	o := &submitOptions{}
	cmd := &cobra.Command{
		Use:   "submit SERVICE",
		Short: "Start a job; files from here are uploaded first",
		Long: `Start a job.

` + paramHelp + `

Files are uploaded to ` + uploadsFolder + `/CONTENT-HASH/NAME; what is there already is not uploaded again.

Every submit carries a request id, so that trying again after a lost answer never
starts a second job. Give your own with --request-id to make that hold across runs
of this program: the same id with the same job answers the job that is there.

With --wait the job's changes are shown as they happen and then its result files;
the exit code is 0 when it completed, 1 when it failed, 3 when it was cancelled.
Ctrl-C ends the wait and not the job.`,
		Example: `  stint submit SequenceStats -p sequences=@genome.fna --wait
  stint submit GenomeAssembly -p read1=@r1.fq -p read2=@r2.fq --cpus 4 --memory 8G --label project=phage
  stint submit GenomeAssembly -p read1=@r1.fq -p read2=@r2.fq --gpus 1 --resource matlab=1
  stint submit GenomeAnnotation -p contigs=/jobs/lambda/contigs.fasta --output-name lambda-genes
  id=$(stint submit Date -o name)
  jq '{sequences: .path}' in.json | stint submit SequenceStats --params-file -`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeServices),
	}
	o.format = addFormat(cmd)
	flags := cmd.Flags()
	o.addCommonFlags(cmd)
	flags.StringVar(&o.paramsFile, "params-file", "", "read parameters from this JSON or YAML `FILE`, - for standard input; -p goes over it")
	flags.StringVar(&o.outputFolder, "output-folder", "", "workspace folder for the result")
	o.addResourceFlags(flags)
	o.factors.add(cmd)
	flags.StringArrayVar(&o.labels, "label", nil, "label the job with `KEY=VALUE`; may be repeated")
	flags.Int32Var(&o.priority, "priority", 0, "order among your waiting jobs, from -100 to 100; higher starts first")
	flags.StringVar(&o.executor, "executor", "", "run on this executor")
	flags.StringVar(&o.owner, "owner", "", "submit for this `USER` (operators)")
	flags.StringVar(&o.reason, "reason", "", "why you submit for somebody else, who sees it (operators)")
	flags.StringVar(&o.parent, "parent", "", "`ID` of the job that this one belongs to")
	completeFlagWith(cmd, "param", a.completeWith(a.completeParameters))
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error { return a.submit(ctx, o, args[0]) })
	return cmd
}

// addCommonFlags gives a verb the flags that submit and rerun share.
func (o *submitOptions) addCommonFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.params, "param", "p", nil, "parameter, as `NAME=VALUE`, NAME=@FILE or NAME:=JSON; may be repeated")
	flags.StringVar(&o.outputName, "output-name", "", "name of the result")
	flags.StringVar(&o.requestID, "request-id", "", "repeat safely: the same id never starts a second job")
	flags.BoolVar(&o.wait, "wait", false, "follow the job until it ends")
	flags.BoolVar(&o.dryRun, "dry-run", false, "check everything, but start and upload nothing")
	addPatience(cmd, &o.patience)
}

func (o *submitOptions) addResourceFlags(flags *pflag.FlagSet) {
	flags.Int32Var(&o.cpus, "cpus", 0, "cores that the job asks for")
	flags.StringVar(&o.memory, "memory", "", "memory that the job asks for, such as 512M or 4G (powers of 1024)")
	flags.Int32Var(&o.gpus, "gpus", 0, "graphics processors that the job asks for")
	flags.StringArrayVar(&o.named, "resource", nil, "what the operator named that the job asks for, as `NAME=AMOUNT`, such as a licence; may be repeated")
	flags.StringVar(&o.account, "account", "", "`NAME` of the account that a cluster charges; like the next three, as far as the operator lets you name one")
	flags.StringVar(&o.partition, "partition", "", "`NAME` of the partition of a cluster")
	flags.StringVar(&o.qos, "qos", "", "`NAME` of the quality of service of a cluster")
	flags.StringVar(&o.constraint, "constraint", "", "`FEATURES` that nodes of a cluster must have, such as avx2 or 'avx2&ib'")
	flags.StringVar(&o.timeLimit, "time-limit", "", "longest time it may run, such as 90s, 2h30m, 3d, or as sbatch has it: 90:00, 1-12:00:00")
}

// resources puts the flags into what the job asks for.
func (o *submitOptions) resources() (*jobsv1.Resources, error) {
	r := &jobsv1.Resources{
		Cpus: o.cpus, Gpus: o.gpus, Account: o.account, Partition: o.partition, Qos: o.qos, Constraint: o.constraint,
	}
	if o.cpus < 0 {
		return nil, usagef("--cpus must not be negative")
	}
	if o.gpus < 0 {
		return nil, usagef("--gpus must not be negative")
	}
	for _, text := range o.named {
		name, amount, ok := strings.Cut(text, "=")
		n, err := strconv.ParseInt(amount, 10, 64)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, usagef("--resource %q: must be NAME=AMOUNT with a whole number that is not negative, such as matlab=1", text)
		}
		if r.Named == nil {
			r.Named = make(map[string]int64)
		}
		r.Named[name] = n
	}
	if o.memory != "" {
		n, err := parseBytes(o.memory)
		if err != nil {
			return nil, usagef("--memory: %v", err)
		}
		r.MemoryBytes = n
	}
	if o.timeLimit != "" {
		d, err := parseDuration(o.timeLimit)
		if err != nil {
			return nil, usagef("--time-limit: %v", err)
		}
		r.TimeLimit = durationpb.New(d)
	}
	if proto.Equal(r, &jobsv1.Resources{}) {
		return nil, nil //nolint:nilnil // no resources is what a job without the flags asks for
	}
	return r, nil
}

// job is the job that the flags describe, without its parameters.
func (o *submitOptions) job(service string) (*jobsv1.Job, error) {
	resources, err := o.resources()
	if err != nil {
		return nil, err
	}
	labels := make(map[string]string)
	for _, l := range o.labels {
		key, value, ok := strings.Cut(l, "=")
		if !ok {
			return nil, usagef("--label %q: must be KEY=VALUE", l)
		}
		labels[key] = value
	}
	return &jobsv1.Job{
		Service: service, OutputName: o.outputName, OutputFolder: o.outputFolder, Resources: resources, Labels: labels,
		Priority: o.priority, Retry: o.factors.policy(), Executor: o.executor, Owner: o.owner, ParentId: o.parent,
	}, nil
}

func (a *app) submit(ctx context.Context, o *submitOptions, service string) error {
	job, err := o.job(service)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	missing, err := a.addParameters(ctx, o, job)
	if err != nil {
		return err
	}
	client, err := a.jobs()
	if err != nil {
		return err
	}
	req := &jobsv1.SubmitRequest{Job: job, RequestId: o.requestID, ValidateOnly: o.dryRun, Reason: o.reason}
	var res *jobsv1.SubmitResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.Submit(ctx, req)
		return err
	})
	if s, ok := status.FromError(err); ok && o.owner != "" && lacksReason(s) && a.screen.asks {
		if req.Reason, err = a.askWhy(ctx, "submit for "+clean(o.owner)); err != nil {
			return err
		}
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.Submit(ctx, req)
			return err
		})
	}
	if o.dryRun {
		return a.showDryRun(o, dryRun{asked: job, checked: res.GetJob(), warnings: res.GetWarnings(), advice: res.GetAdvice(), missing: missing, err: err})
	}
	if err != nil {
		return err
	}
	return a.submitted(ctx, o, res)
}

// addParameters gives a job its parameters, and uploads the files that they
// name. What is missing is as putInputs says it.
func (a *app) addParameters(ctx context.Context, o *submitOptions, job *jobsv1.Job) (missing []string, err error) {
	var base *structpb.Struct
	if o.paramsFile != "" {
		if base, err = a.readParamsFile(ctx, o.paramsFile); err != nil {
			return nil, err
		}
	}
	spec, err := a.service(ctx, job.GetService())
	if err != nil {
		return nil, err
	}
	if !spec.GetAvailable() {
		return nil, fmt.Errorf("%s is not available: %s", spec.GetId(), spec.GetUnavailableReason())
	}
	params, err := buildParameters(spec, base, o.params)
	if err != nil {
		return nil, err
	}
	if o.owner != "" && len(params.files) > 0 {
		return nil, usagef("files from here go into your own workspace, where a job of %s cannot read them; name files that are in theirs", o.owner)
	}
	job.Parameters = params.values
	return a.putInputs(ctx, params.files, o.dryRun)
}

// check refuses flags that exclude each other, and makes a request id where none was given.
func (o *submitOptions) check() error {
	if o.wait && o.dryRun {
		return usagef("--wait and --dry-run exclude each other")
	}
	if o.requestID == "" && !o.dryRun {
		id := make([]byte, 16)
		rand.Read(id) // never fails
		o.requestID = "stint-" + hex.EncodeToString(id)
	}
	return nil
}

// accepted is what Submit and Rerun answer alike.
type accepted interface {
	GetJob() *jobsv1.Job
	GetDeduplicated() bool
	GetWarnings() []string
	GetCursor() string
}

// submitted shows a job that was accepted, and with --wait what becomes of it.
func (a *app) submitted(ctx context.Context, o *submitOptions, res accepted) error {
	for _, w := range res.GetWarnings() {
		say(a.err, "stint: warning: %s", w)
	}
	job := res.GetJob()
	if o.wait {
		return a.waitFor(ctx, o, res)
	}
	return a.show(*o.format, answer{
		messages: []proto.Message{job},
		names:    []string{job.GetId()},
		table: func() error {
			if !a.screen.tty {
				a.jobGrid([]*jobsv1.Job{job}, true).print(a.out, a.screen)
				return nil
			}
			say(a.out, "%s", acceptedWords(job, res.GetDeduplicated()))
			say(a.out, "  stint watch %s follows it.", job.GetId())
			return nil
		},
	})
}

func acceptedWords(job *jobsv1.Job, deduplicated bool) string {
	words := fmt.Sprintf("Job %s is %s: %s, output name %s.", job.GetId(), stateWord(job.GetState()), clean(job.GetService()), clean(job.GetOutputName()))
	if deduplicated {
		words += " It was submitted before with this request id."
	}
	return words
}
