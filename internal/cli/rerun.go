package cli

import (
	"context"

	"github.com/spf13/cobra"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

func newRerunCommand(a *app) *cobra.Command {
	o := &submitOptions{}
	cmd := &cobra.Command{
		Use:   "rerun ID",
		Short: "Start a job like an existing one, with parameters changed where asked",
		Long: `Start a new job like an existing one.

` + paramHelp + `
  -p NAME:=null          takes a parameter away`,
		Example: `  stint rerun 12
  stint rerun 12 -p min_length=500 --output-name second-try --wait`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	o.format = addFormat(cmd)
	o.addCommonFlags(cmd)
	completeFlag(cmd, "param")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error { return a.rerun(ctx, o, args[0]) })
	return cmd
}

func (a *app) rerun(ctx context.Context, o *submitOptions, id string) error {
	if err := o.check(); err != nil {
		return err
	}
	req := &stintv1.RerunRequest{Id: id, OutputName: o.outputName, RequestId: o.requestID, ValidateOnly: o.dryRun}
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
	client, err := a.jobs()
	if err != nil {
		return err
	}
	var res *stintv1.RerunResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.Rerun(ctx, req)
		return err
	})
	if o.dryRun {
		asked := &stintv1.Job{OutputName: o.outputName, Parameters: req.GetParameters(), RerunOf: id}
		return a.showDryRun(o, dryRun{asked: asked, checked: res.GetJob(), warnings: res.GetWarnings(), missing: missing, err: err})
	}
	if err != nil {
		return err
	}
	return a.submitted(ctx, o, res)
}
