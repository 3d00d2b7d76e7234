package api

import (
	"fmt"
	"strings"
	"sync"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// Size bounds a message of a request.
type Size struct {
	// Bytes is how long it may be, as it is sent.
	Bytes int
	// Elements is how many messages, list elements, map entries and other fields it may have, large messages counting for
	// several. Each becomes an object, which is many times larger than the two bytes that it can be on the wire.
	Elements int
}

var (
	// usual is for calls that name things. A thousand ids are the most that they have.
	usual = Size{Bytes: 64 << 10, Elements: 4096}
	// oneJob is for a job with the largest parameters, 256 KiB of stored values, in any form that means the same.
	oneJob = Size{Bytes: 1 << 20, Elements: 200_000}
	// manyJobs is for a thousand jobs, or for fewer whose parameters are lists of numbers.
	manyJobs = Size{Bytes: MaxMessage, Elements: 1_200_000}
	// onePart is for a part of a file.
	onePart = Size{Bytes: MaxMessage, Elements: 64}
)

// MaxMessage is the largest message that is received at all.
const MaxMessage = 4 << 20

// sizes is how large a message of each call may be. What is not in it is refused; a test compares it with all calls that a server has.
var sizes = map[string]Size{
	jobsv1.JobService_Submit_FullMethodName:           oneJob,
	jobsv1.JobService_BatchSubmit_FullMethodName:      manyJobs,
	jobsv1.JobService_Get_FullMethodName:              usual,
	jobsv1.JobService_BatchGet_FullMethodName:         usual,
	jobsv1.JobService_List_FullMethodName:             usual,
	jobsv1.JobService_WatchStatus_FullMethodName:      usual,
	jobsv1.JobService_Summarize_FullMethodName:        usual,
	jobsv1.JobService_Cancel_FullMethodName:           usual,
	jobsv1.JobService_BatchCancel_FullMethodName:      usual,
	jobsv1.JobService_Rerun_FullMethodName:            oneJob,
	jobsv1.JobService_StreamLogs_FullMethodName:       usual,
	jobsv1.JobService_ListResults_FullMethodName:      usual,
	jobsv1.JobService_ReadResult_FullMethodName:       usual,
	jobsv1.JobService_ReportIssue_FullMethodName:      usual,
	jobsv1.JobService_Share_FullMethodName:            usual,
	jobsv1.JobService_Unshare_FullMethodName:          usual,
	jobsv1.JobService_ListShares_FullMethodName:       usual,
	jobsv1.JobService_ListSharedWithMe_FullMethodName: usual,
	jobsv1.JobService_Report_FullMethodName:           usual,
	jobsv1.JobService_Keep_FullMethodName:             usual,
	jobsv1.JobService_Unkeep_FullMethodName:           usual,

	catalogv1.CatalogService_List_FullMethodName:   usual,
	catalogv1.CatalogService_Get_FullMethodName:    usual,
	catalogv1.CatalogService_Advise_FullMethodName: usual,

	workspacev1.WorkspaceService_Upload_FullMethodName:   onePart,
	workspacev1.WorkspaceService_List_FullMethodName:     usual,
	workspacev1.WorkspaceService_Download_FullMethodName: usual,
	workspacev1.WorkspaceService_Delete_FullMethodName:   usual,
	workspacev1.WorkspaceService_GetUsage_FullMethodName: usual,

	workspacev1.WorkspaceService_Stat_FullMethodName:       usual,
	workspacev1.WorkspaceService_MakeFolder_FullMethodName: usual,
	workspacev1.WorkspaceService_Move_FullMethodName:       usual,
	workspacev1.WorkspaceService_Copy_FullMethodName:       usual,

	workspacev1.WorkspaceService_CreateUpload_FullMethodName: usual,
	workspacev1.WorkspaceService_AppendUpload_FullMethodName: onePart,
	workspacev1.WorkspaceService_GetUpload_FullMethodName:    usual,
	workspacev1.WorkspaceService_ListUploads_FullMethodName:  usual,
	workspacev1.WorkspaceService_EndUpload_FullMethodName:    usual,

	authv1.AuthService_GetSignInOptions_FullMethodName: usual,
	authv1.AuthService_WhoAmI_FullMethodName:           usual,
	authv1.TokenService_CreateToken_FullMethodName:     usual,
	authv1.TokenService_ListTokens_FullMethodName:      usual,
	authv1.TokenService_RevokeToken_FullMethodName:     usual,

	authv1.SessionService_ListSessions_FullMethodName:      usual,
	authv1.SessionService_RevokeSession_FullMethodName:     usual,
	authv1.SessionService_SignOutEverywhere_FullMethodName: usual,

	adminv1.UserService_ListUsers_FullMethodName:   usual,
	adminv1.UserService_GetUser_FullMethodName:     usual,
	adminv1.UserService_DisableUser_FullMethodName: usual,
	adminv1.UserService_EnableUser_FullMethodName:  usual,
	adminv1.UserService_EraseUser_FullMethodName:   usual,

	adminv1.StatusService_GetServerStatus_FullMethodName: usual,
	adminv1.AdminService_SetSubmissions_FullMethodName:   usual,
	adminv1.AdminService_Backup_FullMethodName:           usual,
	adminv1.AdminService_ListIssues_FullMethodName:       usual,
	adminv1.AdminService_DeleteIssue_FullMethodName:      usual,
	adminv1.AdminService_ListOrphans_FullMethodName:      usual,
	adminv1.AdminService_CancelOrphan_FullMethodName:     usual,
	adminv1.AdminService_ListAudit_FullMethodName:        usual,
	adminv1.AdminService_Diagnose_FullMethodName:         usual,
	adminv1.QueueService_ListQueue_FullMethodName:        usual,

	healthv1.Health_Check_FullMethodName:                                   usual,
	healthv1.Health_Watch_FullMethodName:                                   usual,
	healthv1.Health_List_FullMethodName:                                    usual,
	reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName:      usual,
	reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: usual,
}

// SizeOf returns how large a message of a call may be. It is zero for a call that there is not.
func SizeOf(method string) Size { return sizes[method] }

// sizesByMessage is the table by the names of the messages, which are all that a codec knows. Calls with the same message have the same size.
var sizesByMessage = sync.OnceValue(func() map[protoreflect.FullName]Size {
	all := make(map[protoreflect.FullName]Size, len(sizes))
	for method, size := range sizes {
		if name, err := inputOf(method); err == nil { // a test names those that there are not
			all[name] = size
		}
	}
	return all
})

// inputOf is the name of a call's messages.
func inputOf(method string) (protoreflect.FullName, error) {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return "", err
	}
	m, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return "", fmt.Errorf("%s is no method", name)
	}
	return m.Input().FullName(), nil
}
