package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newRerunCommand(a *app) *cobra.Command {
	var reason string
	o := &submitOptions{}
	cmd := &cobra.Command{
		Use:   "rerun ID",
		Short: "Start a job like an existing one, with parameters changed where asked",
		Long: `Start a new job like an existing one.

` + paramHelp + `
  -p NAME:=null          takes a parameter away

The new job belongs to the owner of the old one. An operator who repeats another
user's job must say why; on a terminal they are asked.`,
		Example: `  stint rerun 12
  stint rerun 12 -p min_length=500 --output-name second-try --wait`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	o.format = addFormat(cmd)
	o.addCommonFlags(cmd)
	completeFlag(cmd, "param")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever reads it later")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		return a.rerun(ctx, o, &jobsv1.RerunRequest{Id: args[0], Reason: reason})
	})
	return cmd
}

func (a *app) rerun(ctx context.Context, o *submitOptions, req *jobsv1.RerunRequest) error {
	if err := o.check(); err != nil {
		return err
	}
	id := req.GetId()
	req.OutputName, req.RequestId, req.ValidateOnly = o.outputName, o.requestID, o.dryRun
	var missing []string
	if len(o.params) > 0 {
		old, err := a.getJob(ctx, id)
		if err != nil {
			return err
		}
		spec, err := a.service(ctx, old.GetService())
		if err != nil {
			return err
		}
		params, err := buildParameters(spec, nil, o.params)
		if err != nil {
			return err
		}
		if missing, err = a.putInputs(ctx, params.files, o.dryRun); err != nil {
			return err
		}
		req.Parameters = params.values
	}
	res, err := a.askRerun(ctx, req)
	if o.dryRun {
		asked := &jobsv1.Job{OutputName: o.outputName, Parameters: req.GetParameters(), RerunOf: id}
		return a.showDryRun(o, dryRun{asked: asked, checked: res.GetJob(), warnings: res.GetWarnings(), advice: res.GetAdvice(), missing: missing, err: err})
	}
	if err != nil {
		return err
	}
	return a.submitted(ctx, o, res)
}

// askRerun makes the call, and again with the reason where that is all that it lacks.
func (a *app) askRerun(ctx context.Context, req *jobsv1.RerunRequest) (*jobsv1.RerunResponse, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	var res *jobsv1.RerunResponse
	call := func() error {
		return a.call(ctx, func(ctx context.Context) error {
			res, err = client.Rerun(ctx, req)
			return err
		})
	}
	err = call()
	if s, ok := callStatus(err); !ok || req.GetReason() != "" || !lacksReason(s) {
		return res, err
	}
	reason, why := a.askReason(ctx, "repeat", req.GetId())
	if why != nil || reason == "" {
		return res, errors.Join(why, err)
	}
	req.Reason = reason
	return res, call()
}
