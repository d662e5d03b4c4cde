#!/usr/bin/env bash
# hpcdirect as a devstack plugin:
#   enable_plugin hpcdirect https://opendev.org/openstack/hpcdirect
# devstack sources this once in each phase; its own functions are used below.
# shellcheck source=devstack/settings disable=SC2154

_XTRACE_HPCDIRECT=$(set +o | grep xtrace)
set +o xtrace

hpcdirect_install() {
    setup_develop "$HPCDIRECT_DIR" service,client
}

hpcdirect_configure() {
    local conf=$HPCDIRECT_CONF group
    sudo install -d -o "$STACK_USER" -m 750 "$HPCDIRECT_CONF_DIR" \
        "$HPCDIRECT_STATE_PATH"
    iniset "$conf" DEFAULT state_path "$HPCDIRECT_STATE_PATH"
    iniset "$conf" DEFAULT enabled_backends "$HPCDIRECT_BACKENDS"
    iniset "$conf" DEFAULT debug "$ENABLE_DEBUG_LOG_LEVEL"
    iniset "$conf" database connection "$(database_connection_url hpcdirect)"
    iniset "$conf" api auth_strategy keystone
    iniset "$conf" api host "$SERVICE_HOST"
    iniset "$conf" api port "$HPCDIRECT_PORT"
    iniset "$conf" monitoring host "$SERVICE_HOST"
    iniset "$conf" monitoring port "$HPCDIRECT_METRICS_PORT"
    iniset "$conf" monitoring endpoint \
        "http://$SERVICE_HOST:$HPCDIRECT_METRICS_PORT"
    iniset "$conf" blueprints directories "$HPCDIRECT_DIR"
    iniset_rpc_backend hpcdirect "$conf"
    configure_keystone_authtoken_middleware "$conf" hpcdirect
    # The same user acts in the projects that let it in.
    group=service_auth
    iniset "$conf" $group auth_type password
    iniset "$conf" $group auth_url "$KEYSTONE_SERVICE_URI"
    iniset "$conf" $group username hpcdirect
    iniset "$conf" $group password "$SERVICE_PASSWORD"
    iniset "$conf" $group user_domain_name "$SERVICE_DOMAIN_NAME"
    iniset "$conf" $group project_name "$SERVICE_PROJECT_NAME"
    iniset "$conf" $group project_domain_name "$SERVICE_DOMAIN_NAME"
    iniset "$conf" $group region_name "$REGION_NAME"
    setup_logging "$conf"
}

hpcdirect_register() {
    create_service_user hpcdirect service
    get_or_create_service hpcdirect hpc-cluster 'HPC clusters as a service'
    get_or_create_endpoint hpc-cluster "$REGION_NAME" \
        "$SERVICE_PROTOCOL://$SERVICE_HOST:$HPCDIRECT_PORT"
}

hpcdirect_init() {
    recreate_database hpcdirect
    hpcdirect-db-manage --config-file "$HPCDIRECT_CONF" upgrade
    hpcdirect-db-manage --config-file "$HPCDIRECT_CONF" create-key
}

hpcdirect_start() {
    run_process hpcdirect-api \
        "$(get_python_exec_prefix)/hpcdirect-api --config-file $HPCDIRECT_CONF"
    run_process hpcdirect-conductor \
        "$(get_python_exec_prefix)/hpcdirect-conductor --config-file $HPCDIRECT_CONF"
    run_process hpcdirect-metrics \
        "$(get_python_exec_prefix)/hpcdirect-metrics --config-file $HPCDIRECT_CONF"
}

if is_service_enabled hpcdirect-api || is_service_enabled hpcdirect-conductor; then
    case "$1 ${2:-}" in
        'stack install')
            echo_summary 'Installing hpcdirect'
            hpcdirect_install ;;
        'stack post-config')
            echo_summary 'Configuring hpcdirect'
            hpcdirect_configure
            hpcdirect_register
            hpcdirect_init ;;
        'stack extra')
            echo_summary 'Starting hpcdirect'
            hpcdirect_start ;;
        'unstack ')
            stop_process hpcdirect-metrics
            stop_process hpcdirect-conductor
            stop_process hpcdirect-api ;;
        'clean ')
            sudo rm -rf "$HPCDIRECT_CONF_DIR" "$HPCDIRECT_STATE_PATH" ;;
    esac
fi

$_XTRACE_HPCDIRECT
