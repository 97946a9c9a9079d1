<?php
// Installs WordPress as wp-admin/install.php does. The working directory is the site's folder.

define( 'WP_INSTALLING', true );
require getcwd() . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

// The installer requests the new site over HTTP, to find out whether it rewrites addresses.
add_filter( 'pre_http_request', fn() => new WP_Error( 'no_request', 'No web server runs.' ) );

wp_install(
	'Example blog',
	'administrator',
	'administrator@wordpress.example',
	true,
	'',
	wp_slash( getenv( 'ADMINISTRATOR_PASSWORD' ) )
);
if ( ! is_blog_installed() ) {
	fwrite( STDERR, $wpdb->last_error );
	exit( 1 );
}
