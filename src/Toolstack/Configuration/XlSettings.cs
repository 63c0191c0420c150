using System.Collections.Frozen;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Configuration;

/// <summary>Names of settings that xl looks up.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/xl_cmdimpl.c, stable-4.17 tools/xl/xl_parse.c (every xlu_cfg_get_*).</remarks>
internal static class XlSettings
{
    private static readonly FrozenSet<string> Simulated40 = Words(
        "name builder kernel ramdisk root extra memory vcpus tsc_mode device_model on_poweroff on_reboot on_crash vfb viridian");

    private static readonly FrozenSet<string> Simulated417 = Words(
        """
        name type builder kernel ramdisk cmdline root extra memory maxmem vcpus maxvcpus uuid tsc_mode device_model_override
        on_poweroff on_reboot on_crash on_watchdog on_soft_reset vfb firmware_override vga stdvga videoram
        """);

    private static readonly FrozenSet<string> Known40 = Words(
        """
        hap oos shadow_memory videoram pae apic acpi nx hpet vpt_align timer_mode disk vif pci pci_msitranslate pci_power_mgmt
        stdvga vnc vnclisten vncpasswd vncdisplay vncunused keymap sdl opengl nographic serial boot usb usbdevice soundhw xapi_localtime
        """);

    private static readonly FrozenSet<string> Known417 = Words(
        """
        acpi acpi_firmware acpi_laptop_slate acpi_s3 acpi_s4 altp2m altp2mhvm apic bios bios_path_override boot bootloader bootloader_args
        cap channel cpu_weight cpuid cpus cpus_soft device_model device_model_args device_model_args_hvm device_model_args_pv device_model_user
        device_model_stubdomain_seclabel device_model_stubdomain_override device_model_version device_tree disk dm_restrict driver_domain dtdev e820_host extratime firmware
        gfx_passthru gic_version hap hdtype hpet init_seclabel iomem ioports irqs keymap latency localtime
        max_event_channels max_grant_frames max_grant_version max_maptrack_frames mca_caps mmio_hole ms_vm_genid msr_relaxed nestedhvm
        nographic nomigrate nx oos opengl p9 pae passthrough pci pci_msitranslate pci_permissive pci_power_mgmt
        pci_seize period pool pvcalls pvshim pvshim_cmdline pvshim_extra pvshim_path rdm rdm_mem_boundary rtc_timeoffset sdl seclabel
        serial shadow_memory slice smbios_firmware soundhw spice spice_clipboard_sharing spiceagent_mouse spicedisable_ticketing spicehost
        spicepasswd spiceport spicetls_port spiceusbredirection spicevdagent spice_image_compression spice_streaming_video
        stubdomain_cmdline stubdomain_kernel stubdomain_memory stubdomain_ramdisk system_firmware tee timer_mode usb usbctrl usbdev usbdevice
        usbversion vdispl vendor_device vif vif2 viridian vkb vkb_device vmtrace_buf_kb vnc vncdisplay vnclisten vncpasswd
        vncunused vncviewer vnuma vpmu vpt_align vsnd vtpm vuart xen_platform_pci xend_suspend_evtchn_compat
        """);

    public static FrozenSet<string> Simulated(XenRelease release) => release == XenRelease.V4_0 ? Simulated40 : Simulated417;

    public static FrozenSet<string> Known(XenRelease release) => release == XenRelease.V4_0 ? Known40 : Known417;

    private static FrozenSet<string> Words(string list) => list.Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).ToFrozenSet();
}
